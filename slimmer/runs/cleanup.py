"""A process that undoes what we began, should we die: SIGKILL runs no handler of ours."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress

from cntr_core import debugging
from cntr_core.errors import SessionError
from cntr_core.images import remove_tree
from cntr_core.images.temporary import temporary_directory
from cntr_core.kernel import child
from cntr_core.kernel.process import close_others, set_name

_log = logging.getLogger(__name__)

DONE = b"d"
CLEANUP, COLLECTOR = "cntr-cleanup", "cntr-collector"
_DUTIES = {CLEANUP: "removes what a killed run leaves", COLLECTOR: "collects the container's output"}


Wait = Callable[[int], bool]
"""Waits until the pipe's other end, which only the process has that may have to be cleaned up after, tells that all is
over, or vanishes; whether it told."""


def _told(alive: int) -> bool:
    return os.read(alive, 1) == DONE


@contextmanager
def cleanup_process(
    clean: Callable[[], object], wait: Wait = _told, *, needs: Collection[int] = (), name: str = CLEANUP
) -> Iterator[int]:
    """`clean` is called in another process, called `name`, if this one dies within the block. Enter it while there is
    one thread.

    Meanwhile that process does what `wait` does, for which it keeps the descriptors in `needs`. Gives its PID.

    :raises SessionError: it was killed, which may be why the block failed.
    """
    alive, ours = os.pipe2(os.O_CLOEXEC)
    pid = child.fork(lambda: _wait_and_clean(alive, clean, wait, needs, name))
    os.close(alive)
    try:
        yield pid
    finally:
        error = sys.exc_info()[1]
        with suppress(BrokenPipeError):  # it was killed
            os.write(ours, DONE)
        os.close(ours)
        _check_end(os.waitpid(pid, 0)[1], name, error)


def _check_end(status: int, name: str, error: BaseException | None) -> None:
    if os.WIFSIGNALED(status) and (error is None or isinstance(error, Exception)):
        number = signal.Signals(os.WTERMSIG(status)).name
        sentence = f"{name}, the process that {_DUTIES[name]}, was killed by {number}"
        raise SessionError(sentence, "check whether memory ran out, and run it again") from error


@contextmanager
def scratch(prefix: str) -> Iterator[str]:
    """A new directory for large files, which is removed with the block, and even where SIGKILL ends it.
    As :func:`cleanup_process`.

    :raises OSError: there is no room.
    """
    with (
        temporary_directory(prefix) as (directory, lock),
        cleanup_process(lambda: remove_tree(directory), needs=[lock]),
    ):
        yield directory


def _wait_and_clean(alive: int, clean: Callable[[], object], wait: Wait, needs: Collection[int], name: str) -> None:
    os.setsid()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    set_name(name)
    debugging.call_process(name.removeprefix("cntr-"))
    close_others({0, 1, 2, *debugging.descriptors(), alive, *needs})
    if not wait(alive):
        _log.debug("cleaning up: cntr has died")
        clean()
