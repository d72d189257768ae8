"""Questions to several engines at once, each in a process of its own with a time limit: one that hangs, crashes or lies
never delays or breaks the others.
"""

from __future__ import annotations

import os
import pickle
import select
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, NoReturn, TypeVar

from ..errors import CntrError, EngineError
from ..kernel import process as kernel_process

if TYPE_CHECKING:
    from . import Engine

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class QueryResult(Generic[T]):
    """What one engine said: a value, or the error that kept it from answering."""

    engine: str
    value: T | None
    error: CntrError | None = None


def query(
    engines: Sequence[Engine],
    question: Callable[[Engine], T],
    limit: float,
    meanwhile: Callable[[], object] | None = None,
    patience: float = 0.0,
) -> list[QueryResult[T]]:
    """Put `question` to all engines at once, and give their answers in the same order within `limit` seconds, or within
    `patience` where that is more, as long as nobody has found anything.

    Each engine answers in a forked process, which keeps the caller single-threaded and its memory clean; the value must
    be picklable. A process that is late is killed with all that it started. `meanwhile` is called while they think: the
    place for imports that will be needed next.
    """
    started, given = time.monotonic(), max(limit, patience)
    workers = [_Worker(engine, question) for engine in engines]
    try:
        if meanwhile is not None:
            meanwhile()
        while open_pipes := {w.pipe: w for w in workers if not w.finished}:
            ready, _, _ = select.select(list(open_pipes), [], [], max(0.0, started + given - time.monotonic()))
            if not ready:
                break
            for pipe in ready:
                worker = open_pipes[pipe]
                worker.read()
                if worker.finished and worker.answer(given).value:
                    given = limit
    finally:
        for worker in workers:
            worker.close(started + given)
    return [worker.answer(given) for worker in workers]


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

    def answer(self, limit: float) -> QueryResult[T]:
        name = self.engine.name
        if not self.finished:
            error = EngineError(f"{name} did not answer within {limit:g} s", f"look whether {name} hangs")
            return QueryResult(name, None, error)
        try:
            value, known = pickle.loads(self._received)  # from a fork of this very process
        except Exception:
            return QueryResult(name, None, EngineError(f"the plugin of {name} crashed", "run again with --debug"))
        return QueryResult(name, value, known)


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
