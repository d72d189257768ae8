"""Engines name containers and find their processes.

An author writes `status` and `containers`; everything else has a default. Engines are asked side by side.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

from .asking import Answer, ask
from .errors import (
    AmbiguousContainer,
    CntrError,
    ContainerNotFound,
    ContainerNotRunning,
    EngineAbsent,
    EngineError,
    PluginError,
    UsageError,
)
from .kernel import process as kernel_process
from .kernel import procfs
from .types import Container, ContainerProcess, ContainerRef, ContainerState, EngineStatus

LIMIT = 2.0
"""Seconds that an engine has for an answer."""

PATIENCE = 10.0
"""Seconds that one may take to find a container which no other has: people attach when a machine is overloaded."""

SHORTEST_PREFIX = 3
"""Characters of an id that name a container; fewer would match by accident."""

LAST_RESORTS = ("pid", "command")
"""Engines that count only where no other knows the name: a container may be called ``1234``."""


class Engine(ABC):
    """One kind of container manager: Docker, Podman, LXC, a bare PID …"""

    name: ClassVar[str]
    """The scheme of references, ``NAME://``: lower-case letters, digits and dashes."""

    @abstractmethod
    def status(self) -> EngineStatus:
        """Tell whether the engine can be asked now. Must not raise."""

    @abstractmethod
    def containers(self) -> Iterable[Container]:
        """All containers, running or not.

        :raises EngineAbsent: the engine is not there.
        :raises EngineError: the engine cannot be asked, or answered with nonsense.
        """

    def find(self, name: str) -> Sequence[Container]:
        """The containers that answer to `name`, best match class only: exact name or full id, else id prefixes.

        :raises CntrError: the engine cannot be asked; or the message says why the name cannot be one of its own.
        """
        return matching(name, self.containers())

    def export_image(self, name: str) -> Iterable[bytes] | None:  # noqa: ARG002 - for engines that hold images
        """The image `name` as a docker or OCI archive, in pieces; None where the engine has none of that name.

        :raises EngineError: the engine has it, and cannot give it.
        """
        return None

    def import_image(self, archive: Iterable[bytes]) -> None:  # noqa: ARG002 - for engines that hold images
        """Take the images of `archive`, an OCI and a docker archive in one that comes in pieces, under its names.

        :raises EngineError: the engine holds no images, or does not take these.
        """
        raise EngineError(f"{self.name} cannot take images", "write an archive instead, and load that")


def matching(name: str, containers: Iterable[Container]) -> list[Container]:
    """Those that answer to `name`: by exact name or full id, else by the beginning of the id."""
    known = list(containers)
    exact = [c for c in known if name in (c.name, c.id)]
    return exact or [c for c in known if len(name) >= SHORTEST_PREFIX and c.id.startswith(name)]


@dataclass(frozen=True, slots=True)
class Listing:
    """The containers of all engines that answered, and who did not."""

    containers: tuple[Container, ...]
    failures: tuple[Answer[list[Container]], ...]


def _checked(engine: Engine, containers: Iterable[Container]) -> list[Container]:
    """What a plugin gave, if it is what was asked for; a stranger's mistake must not surface far from it."""
    found = list(containers)
    for container in found:
        if not isinstance(container, Container):
            raise EngineError(
                f"{engine.name} lists {container!r:.60}, which is no container", "report it to its author"
            )
        if container.engine != engine.name:
            raise EngineError(f"{engine.name} lists a container of {container.engine}", "report it to its author")
    return found


def statuses(engines: Sequence[Engine]) -> list[tuple[str, EngineStatus]]:
    """What each engine says about itself, asked side by side; one that fails is unavailable, with its error."""
    found = []
    for answer in ask(engines, lambda engine: engine.status(), LIMIT):
        error = answer.error or EngineError(f"{answer.engine} answers with no status", "report it to its author")
        status = answer.value
        if not isinstance(status, EngineStatus):
            status = EngineStatus(available=False, detail=error.message, hint=error.hint)
        found.append((answer.engine, status))
    return found


def list_containers(engines: Sequence[Engine]) -> Listing:
    """The containers of all engines, asked side by side."""
    answers = ask(engines, lambda engine: _checked(engine, engine.containers()), LIMIT)
    found = [container for answer in answers for container in answer.value or ()]
    return Listing(tuple(found), tuple(answer for answer in answers if answer.error))


def resolve(
    ref: ContainerRef, engines: Sequence[Engine], meanwhile: Callable[[], object] | None = None
) -> ContainerProcess:
    """The process that `ref` names, among all engines, or in the one that it names. `meanwhile` as for :func:`ask`.

    :raises ContainerNotFound: nobody knows the name; the hint tells what each engine said.
    :raises EngineError: nobody knows the name, and one engine could not be asked: it may be that engine's.
    :raises AmbiguousContainer: several containers answer to it; the hint gives a reference for each.
    :raises ContainerNotRunning: it has no process to join.
    :raises PluginError: there is no such engine.
    """
    return running_process(find(ref, engines, meanwhile))


def find(ref: ContainerRef, engines: Sequence[Engine], meanwhile: Callable[[], object] | None = None) -> Container:
    """The container that `ref` names; errors as :func:`resolve`, whatever its state."""
    if not ref.name:
        raise UsageError("the container's name is empty", "see cntr list")
    asked = chosen(ref.engine, engines)
    answers = ask(asked, lambda engine: _checked(engine, engine.find(ref.name)), LIMIT, meanwhile, PATIENCE)
    found = [c for answer in answers for c in answer.value or () if answer.engine not in LAST_RESORTS]
    found = found or [c for answer in answers for c in answer.value or ()]
    if not found:
        raise _not_found(ref, answers)
    if len(found) > 1:
        candidates = ", ".join(sorted(f"{c.engine}://{_shortest(c, found)}" for c in found))
        raise AmbiguousContainer(f"'{ref}' names {len(found)} containers", f"say which: {candidates}")
    return found[0]


def chosen(name: str | None, engines: Sequence[Engine]) -> Sequence[Engine]:
    """The engine called `name`, or all for None.

    :raises PluginError: there is no such engine.
    """
    if name is None:
        return engines
    found = [engine for engine in engines if engine.name == name]
    if not found:
        known = ", ".join(sorted(engine.name for engine in engines))
        raise PluginError(f"there is no engine '{name}'", f"choose from {known}, or install its plugin")
    return found


def _not_found(ref: ContainerRef, answers: Sequence[Answer[list[Container]]]) -> CntrError:
    if ref.engine is not None and (error := answers[0].error):
        return error
    others = [a.error for a in answers if a.engine not in LAST_RESORTS]
    failed = [error for error in others if error and not isinstance(error, ContainerNotFound | EngineAbsent)]
    if len(failed) == 1:  # it may be that engine's
        cause = failed[0]
        sentence = f"there is no container '{ref}' that could be found: {cause.message}"
        return type(cause)(sentence, cause.hint or "see cntr engines")
    said = "; ".join(f"{a.engine}: {a.error.message if a.error else 'no such container'}" for a in answers)
    sentence = f"there is no container '{ref}'" + " that could be found" * bool(failed)
    return ContainerNotFound(sentence, f"see cntr list ({said})" if said else "see cntr list")


def _shortest(container: Container, others: Sequence[Container]) -> str:
    """The name where it tells `container` from `others` of its engine, else enough of the id."""
    same = [c for c in others if c.engine == container.engine and c is not container]
    if container.name and all(container.name != c.name for c in same):
        return container.name
    return container.id[:12]


def running_process(container: Container) -> ContainerProcess:
    """The init process of a container, pinned by its start time.

    :raises ContainerNotRunning: it is stopped, paused, or ended just now.
    """
    ref = container.ref
    if container.state is ContainerState.PAUSED:
        raise ContainerNotRunning(f"{ref} is paused, so no command could run in it", "unpause it first")
    if container.state is not ContainerState.RUNNING or not container.pid:
        raise ContainerNotRunning(f"{ref} is not running ({container.state.value})", "start it first")
    try:
        return ContainerProcess(container, container.pid, kernel_process.start_time(container.pid))
    except (FileNotFoundError, ProcessLookupError):
        raise ContainerNotRunning(f"{ref} ended just now", "start it again") from None


@contextmanager
def hold(process: ContainerProcess) -> Iterator[int]:
    """A pidfd of the process, and certainty that it is the one that was found, and not another with its number.

    :raises ContainerNotRunning: it has ended; a zombie counts as gone, since PID 1 does not always reap.
    """
    gone = ContainerNotRunning(f"{process.container.ref} has ended", "start it again")
    try:
        pidfd = kernel_process.pidfd_open(process.pid)
    except OSError:
        raise gone from None
    try:
        if not _is_same(process):
            raise gone
        yield pidfd
    finally:
        os.close(pidfd)


def _is_same(process: ContainerProcess) -> bool:
    try:
        directory = procfs.open_process(process.pid)
    except FileNotFoundError:
        return False
    try:
        stat = procfs.read_stat(directory)
    except (ProcessLookupError, FileNotFoundError):
        return False
    finally:
        os.close(directory)
    return stat.start_time == process.start_time and stat.state not in "ZX"
