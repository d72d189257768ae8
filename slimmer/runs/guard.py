"""A process that undoes what we began, should we die: SIGKILL runs no handler of ours."""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from cntr_core.kernel.process import close_others, set_name

_DONE = b"d"


@contextmanager
def guarded(clean: Callable[[], object]) -> Iterator[None]:
    """`clean` is called in another process if this one dies within the block. Enter it while there is one thread."""
    alive, ours = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        _guard(alive, clean)
    os.close(alive)
    try:
        yield
    finally:
        os.write(ours, _DONE)
        os.close(ours)
        os.waitpid(pid, 0)


def _guard(alive: int, clean: Callable[[], object]) -> NoReturn:
    """Wait until the pipe's other end, which only the parent has, tells or vanishes."""
    try:
        os.setsid()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            signal.signal(number, signal.SIG_IGN)
        set_name("cntr-guard")
        close_others({0, 1, 2, alive})
        if not os.read(alive, 1):
            clean()
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(0)
