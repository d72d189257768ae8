"""Questions to several engines at once, each in a process of its own with a time limit: one that hangs, crashes or lies
never delays or breaks the others.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ..dataclass import dataclass
from ..errors import CntrError, EngineAbsent, EngineError
from ..kernel.child import ChildDied, ForkedCall, die_with

if TYPE_CHECKING:
    from .base import Engine

T = TypeVar("T")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class QueryResult(Generic[T]):
    """What one engine said: a value, or the error that kept it from answering."""

    engine: str
    value: T | None
    error: CntrError | None = None

    def __str__(self) -> str:
        what = f"{len(self.value)} found" if isinstance(self.value, list) else "an answer"
        return f"{self.engine}: {self.error.message if self.error else what}"


def query(
    engines: Sequence[Engine],
    question: Callable[[Engine], T],
    limit: float,
    meanwhile: Callable[[], object] | None = None,
    patience: float = 0.0,
    *,
    skip_absent: bool = False,
) -> list[QueryResult[T]]:
    """Put `question` to all engines at once, and give their answers in the same order within `limit` seconds, or within
    `patience` where that is more, as long as nobody has found anything.

    Each engine answers in a forked process, which keeps the caller single-threaded and its memory clean; the value must
    be picklable. A process that is late is killed with all that it started. `meanwhile` is called while they think: the
    place for imports that will be needed next. With `skip_absent` no process is forked for those that are plainly not
    here.
    """
    absent = {id(engine): found for engine in engines if skip_absent and (found := _absence(engine))}
    started, given = time.monotonic(), max(limit, patience)
    workers = {id(engine): _Worker(engine, question) for engine in engines if id(engine) not in absent}
    try:
        if meanwhile is not None:
            meanwhile()
        while open_pipes := {w.pipe: w for w in workers.values() if not w.finished}:
            ready, _, _ = select.select(list(open_pipes), [], [], max(0.0, started + given - time.monotonic()))
            if not ready:
                break
            for pipe in ready:
                worker = open_pipes[pipe]
                worker.read()
                if worker.finished:
                    result = worker.result(given)
                    _log.debug("%s in %.1f ms", result, (time.monotonic() - started) * 1000)
                    given = limit if result.value else given
    finally:
        for worker in workers.values():
            worker.end(started + given)
    return [absent.get(id(engine)) or workers[id(engine)].result(given) for engine in engines]


def _absence(engine: Engine) -> QueryResult[Any] | None:
    """What an engine says that is plainly not here, None where it may be.

    What else goes wrong does so again in a process of its own, and is told there.
    """
    with suppress(Exception):
        try:
            engine.check_presence()
        except EngineAbsent as error:
            return QueryResult(engine.name, None, error)
    return None


class _Worker(ForkedCall[T]):
    """A process that asks one engine. It leads a process group, so that what it starts ends with it."""

    def __init__(self, engine: Engine, question: Callable[[Engine], T]) -> None:
        self._name = engine.name
        parent = os.getpid()
        super().__init__(lambda: _checked(engine, question), lambda: _settle(parent))

    def end(self, deadline: float) -> None:
        """End the process. One that has answered may still end by itself until `deadline`; then it is killed.

        What it has started is killed in any case: a helper that lingers would outlive every command.
        """
        if self.finished:
            self.wait(max(0.0, deadline - time.monotonic()))
        self.close()

    def result(self, limit: float) -> QueryResult[T]:
        name = self._name
        if not self.finished:
            error: CntrError = EngineError(f"{name} did not answer within {limit:g} s", f"check whether {name} hangs")
            return QueryResult(name, None, error)
        try:
            return QueryResult(name, self.value())
        except CntrError as refused:
            error = refused
        except Exception:  # its answer cannot be read
            error = ChildDied("")
        if isinstance(error, ChildDied):
            error = EngineError(f"the plugin of {name} crashed", "run again with --debug")
        return QueryResult(name, None, error)


def _settle(parent: int) -> None:
    os.setpgid(0, 0)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, _end_group)
    die_with(parent, signal.SIGTERM)
    null = os.open("/dev/null", os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)


def _end_group(_number: int, _frame: object) -> None:
    """What an engine has started would go on by itself, when the caller was killed and so ends nobody."""
    os.killpg(0, signal.SIGKILL)


def _checked(engine: Engine, question: Callable[[Engine], T]) -> T:
    """The engine's answer; :raises CntrError: it has none, whatever the reason."""
    try:
        return question(engine)
    except CntrError:
        raise
    except Exception as error:
        if os.environ.get("CNTR_DEBUG"):
            traceback.print_exc()
        raise EngineError(f"{engine.name}: {type(error).__name__}: {error}", "run again with --debug") from None
