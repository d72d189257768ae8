"""Podman, by the docker API that it serves. It has no daemon: where none of its sockets answers, its service is started
for as long as there is something to ask.

Each user has containers apart from all others'. Root is told of those of the user who called sudo(8), too: where both
have one of the same name, it is shown as ``OWNER/NAME``, and that is how it can be named.
"""

from __future__ import annotations

import os
import resource
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from cntr_core import Container, StoppedRoot
from cntr_core.dataclass import replace
from cntr_core.errors import EngineError
from cntr_core.kernel.capabilities import capget, names

from ..docker.api import ApiEngine
from ..sockets import LOCAL
from .service import Owner, answers, invoking_user, ourselves, service
from .storage import is_listed

if TYPE_CHECKING:
    from ..docker.questions import Questions

    Ask = Callable[[Questions], Sequence[Container]]


class PodmanEngine(ApiEngine):
    """The service of ``CONTAINER_HOST``, else that of our own podman, and under sudo of the user's as well."""

    name: ClassVar[str] = "podman"
    variable: ClassVar[str] = "CONTAINER_HOST"
    api_version: ClassVar[str | None] = "1.41"  # what every podman from 3.4 to 5 serves; to ask costs 0.3 s

    @contextmanager
    def endpoint(self) -> Iterator[str]:
        chosen = os.environ.get(self.variable, "")
        if chosen and not chosen.startswith(LOCAL):
            raise EngineError(
                f"podman's host {chosen} may be another machine, whose processes cannot be entered from here",
                "run cntr on that machine, or unset CONTAINER_HOST",
            )
        if chosen:
            yield chosen
        else:
            with _endpoints([ourselves()]) as (endpoint,):
                yield endpoint()

    def containers(self) -> Iterable[Container]:
        owners = [owner for owner in _owners() if _may_have(owner)]
        return self._of(owners, self.listed) if owners else []

    def find(self, name: str) -> Sequence[Container]:
        prefix, _, plain = name.rpartition("/")
        owners = [owner for owner in _owners() if prefix in ("", owner.name) and _may_have(owner, plain)]
        found = self._of(owners, lambda questions: self.found(questions, plain)) if owners else []
        return [replace(container, name=f"{prefix}/{container.name}") for container in found] if prefix else found

    def stopped_root(self, container: Container) -> StoppedRoot | None:
        with _endpoints(_owners()) as endpoints:
            for endpoint in endpoints:
                with suppress(EngineError), self.questions(endpoint()) as questions:
                    return self.files(questions, container)
        return None

    def _of(self, owners: Sequence[Owner], ask: Ask) -> list[Container]:
        """What the podman of each owner says; with the owner before a name that several have."""
        if len(owners) == 1 and owners[0].is_us:
            with self.asked() as questions:
                return list(ask(questions))
        found: list[tuple[Owner, Container]] = []
        failure: EngineError | None = None
        with _endpoints(owners) as endpoints:
            for owner, endpoint in zip(owners, endpoints, strict=True):
                try:
                    with self.questions(endpoint()) as questions:
                        found += [(owner, container) for container in ask(questions)]
                except EngineError as error:
                    failure = error
        if failure is not None and not found:  # else what the others have is not to be lost by it
            raise failure
        counts = Counter(container.name for _, container in found)
        return [replace(c, name=f"{owner.name}/{c.name}") if counts[c.name] > 1 else c for owner, c in found]

    @contextmanager
    def profile_value(self, profile: str) -> Iterator[str]:
        """Podman opens a file."""
        with open(os.memfd_create("profile"), "w", encoding="utf-8") as file:
            file.write(profile)
            file.flush()
            yield f"/proc/{os.getpid()}/fd/{file.fileno()}" if profile else ""

    def ulimits(self) -> Mapping[str, tuple[int, int]]:
        """Without CAP_SYS_RESOURCE nobody can have more than we have, and podman's service asks for more."""
        if "CAP_SYS_RESOURCE" in names(capget()[1]):
            return {}
        files, processes = (resource.getrlimit(kind)[1] for kind in (resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC))
        with open("/proc/sys/kernel/pid_max", encoding="ascii") as file:  # to which podman lowers its own limit
            most = int(file.read())
        processes = most if processes == resource.RLIM_INFINITY else min(processes, most)
        return {"nofile": (files, files), "nproc": (processes, processes)}


def _owners() -> list[Owner]:
    """Whose containers we tell of: those of whoever runs us, and of a user who did so by sudo and ever used podman."""
    user = None if os.environ.get(PodmanEngine.variable) else invoking_user()
    return [ourselves(), *([user] if user is not None and user.has_storage else [])]


def _may_have(owner: Owner, name: str = "") -> bool:
    """Whether to ask for containers of that name, or for any: not where a look says that there is none."""
    return not owner.is_us or bool(os.environ.get(PodmanEngine.variable)) or is_listed(owner, name)


@contextmanager
def _endpoints(owners: Sequence[Owner]) -> Iterator[list[Callable[[], str]]]:
    """What gives the URLs of their services, good for the block. Those that are not there are started, all at once.

    :raises EngineError: one cannot be started; or it does not answer, when its URL is asked for.
    """
    with ExitStack() as stack:
        yield [
            partial(str, LOCAL + owner.socket) if answers(owner.socket) else stack.enter_context(service(owner))
            for owner in owners
        ]
