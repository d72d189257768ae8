"""Work that goes on in a process of its own meanwhile: it frees nobody else's lock, and leaves no thread behind."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

from cntr_core.kernel.child import ForkedCall, die_with

T = TypeVar("T")


class Background(ForkedCall[T]):
    """A call in a forked process."""

    def __init__(self, call: Callable[[], T]) -> None:
        super().__init__(call, partial(_settle, os.getpid()))

    def result(self) -> T:
        """What the call gave, when it is done; what it raised is raised here.

        :raises CntrError: the process was killed.
        """
        return self.read_all()


@contextmanager
def background(call: Callable[[], T]) -> Iterator[Background[T]]:
    """`call`, going on while the block runs; it is ended with the block."""
    work = Background(call)
    try:
        yield work
    finally:
        work.close()


def _settle(parent: int) -> None:
    die_with(parent, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which ends us
    for number in (signal.SIGTERM, signal.SIGHUP):  # the parent's handlers would lead back into its code
        signal.signal(number, signal.SIG_DFL)
