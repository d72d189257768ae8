"""Engines name containers and find their processes.

An author writes `status` and `containers`; everything else has a default. Engines are asked side by side, each in a
process of its own with a time limit, so that one that hangs, crashes or lies never delays or breaks the others.
"""

from __future__ import annotations

import os
import pickle
import select
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import ClassVar, Generic, NoReturn, TypeVar

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

SHORTEST_PREFIX = 3
"""Characters of an id that name a container; fewer would match by accident."""

LAST_RESORTS = ("pid", "command")
"""Engines that count only where no other knows the name: a container may be called ``1234``."""

T = TypeVar("T")


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
class Answer(Generic[T]):
    """What one engine said: a value, or the error that kept it from answering."""

    engine: str
    value: T | None
    error: CntrError | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """The containers of all engines that answered, and who did not."""

    containers: tuple[Container, ...]
    failures: tuple[Answer[list[Container]], ...]


def ask(
    engines: Sequence[Engine],
    question: Callable[[Engine], T],
    limit: float = LIMIT,
    meanwhile: Callable[[], object] | None = None,
) -> list[Answer[T]]:
    """Put `question` to all engines at once, and give their answers in the same order within `limit` seconds.

    Each engine answers in a forked process, which keeps the caller single-threaded and its memory clean; the value must
    be picklable. A process that is late is killed with all that it started. `meanwhile` is called while they think: the
    place for imports that will be needed next.
    """
    deadline = time.monotonic() + limit
    workers = [_Worker(engine, question) for engine in engines]
    try:
        if meanwhile is not None:
            meanwhile()
        while open_pipes := {w.pipe: w for w in workers if not w.finished}:
            ready, _, _ = select.select(list(open_pipes), [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                break
            for pipe in ready:
                open_pipes[pipe].read()
    finally:
        for worker in workers:
            worker.close(deadline)
    return [worker.answer(limit) for worker in workers]


class _Worker(Generic[T]):
    """A process that asks one engine."""

    def __init__(self, engine: Engine, question: Callable[[Engine], T]) -> None:
        self.engine = engine
        self.finished = False
        self._received = bytearray()
        self.pipe, theirs = os.pipe2(os.O_CLOEXEC)
        self._pid = os.fork()
        if self._pid == 0:
            _answer(engine, question, theirs)
        os.close(theirs)

    def read(self) -> None:
        data = os.read(self.pipe, 1 << 16)
        self._received += data
        self.finished = not data

    def close(self, deadline: float) -> None:
        """Reap the process. One that has answered may still end by itself until `deadline`; then it is killed.

        What it has started is killed in any case: a helper that lingers would outlive every command.
        """
        os.close(self.pipe)
        if self.finished:
            pidfd = kernel_process.pidfd_open(self._pid)
            select.select([pidfd], [], [], max(0.0, deadline - time.monotonic()))
            os.close(pidfd)
        for kill in (os.killpg, os.kill):  # before it is reaped, so the number still is its own
            with suppress(ProcessLookupError, PermissionError):
                kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)

    def answer(self, limit: float) -> Answer[T]:
        name = self.engine.name
        if not self.finished:
            error = EngineError(f"{name} did not answer within {limit:g} s", f"look whether {name} hangs")
            return Answer(name, None, error)
        try:
            value, known = pickle.loads(self._received)  # from a fork of this very process
        except Exception:
            return Answer(name, None, EngineError(f"the plugin of {name} crashed", "run again with --debug"))
        return Answer(name, value, known)


def _answer(engine: Engine, question: Callable[[Engine], T], pipe: int) -> NoReturn:
    try:
        os.setpgid(0, 0)
        kernel_process.set_pdeathsig(signal.SIGKILL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        null = os.open("/dev/null", os.O_RDWR)
        os.dup2(null, 0)
        os.dup2(null, 1)
        with open(pipe, "wb") as file:
            pickle.dump(_outcome(engine, question), file)
    finally:
        os._exit(0)


def _outcome(engine: Engine, question: Callable[[Engine], T]) -> tuple[T | None, CntrError | None]:
    try:
        return question(engine), None
    except CntrError as error:
        return None, error
    except Exception as error:
        if os.environ.get("CNTR_DEBUG"):
            import traceback

            traceback.print_exc()
        return None, EngineError(f"{engine.name}: {type(error).__name__}: {error}", "run again with --debug")


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
    for answer in ask(engines, lambda engine: engine.status()):
        error = answer.error or EngineError(f"{answer.engine} answers with no status", "report it to its author")
        status = answer.value
        if not isinstance(status, EngineStatus):
            status = EngineStatus(available=False, detail=error.message, hint=error.hint)
        found.append((answer.engine, status))
    return found


def list_containers(engines: Sequence[Engine]) -> Listing:
    """The containers of all engines, asked side by side."""
    answers = ask(engines, lambda engine: _checked(engine, engine.containers()))
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
    answers = ask(asked, lambda engine: _checked(engine, engine.find(ref.name)), meanwhile=meanwhile)
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
    return ContainerNotFound(f"there is no container '{ref}'", f"see cntr list ({said})" if said else "see cntr list")


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
