"""Work that goes on in a process of its own meanwhile: it frees nobody else's lock, and leaves no thread behind."""

from __future__ import annotations

import os
import pickle
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Generic, TypeVar

from cntr_core.errors import CntrError
from cntr_core.kernel.process import set_pdeathsig

T = TypeVar("T")


class Background(Generic[T]):
    """A call in a forked process."""

    def __init__(self, call: Callable[[], T]) -> None:
        self._pipe, theirs = os.pipe2(os.O_CLOEXEC)
        self._pid = os.fork()
        if self._pid == 0:
            _work(call, theirs)
        os.close(theirs)

    def result(self) -> T:
        """What the call gave, when it is done; what it raised is raised here.

        :raises CntrError: the process was killed.
        """
        with os.fdopen(self._pipe, "rb") as answer:
            data = answer.read()
        self._pipe = -1
        os.waitpid(self._pid, 0)
        self._pid = 0
        if not data:
            raise CntrError("a process of cntr was killed", "look whether memory ran out")
        value, error = pickle.loads(data)  # from our own child
        if error is not None:
            raise error
        result: T = value
        return result

    def cancel(self) -> None:
        """End it, whatever it does; nothing where it is over."""
        if self._pid:
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
            self._pid = 0
        if self._pipe >= 0:
            os.close(self._pipe)
            self._pipe = -1


@contextmanager
def background(call: Callable[[], T]) -> Iterator[Background[T]]:
    """`call`, going on while the block runs; it is ended with the block."""
    work = Background(call)
    try:
        yield work
    finally:
        work.cancel()


def _work(call: Callable[[], object], pipe: int) -> None:
    try:
        set_pdeathsig(signal.SIGKILL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which ends us
        for number in (signal.SIGTERM, signal.SIGHUP):  # the parent's handlers would lead back into its code
            signal.signal(number, signal.SIG_DFL)
        try:
            answer: tuple[object, BaseException | None] = call(), None
        except Exception as error:
            answer = None, error
        with os.fdopen(pipe, "wb") as file:
            pickle.dump(answer, file)
    finally:
        os._exit(0)
