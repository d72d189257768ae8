"""A cleanup process that stays with a run, and meanwhile collects the container's output."""

from __future__ import annotations

import fcntl
import os
import select
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from cntr_core.kernel.process import pidfd_open
from cntr_core.kernel.syscall import owned
from cntr_core.runtime import Log, Streams

from .cleanup import COLLECTOR, DONE, cleanup_process

_CHUNK = 1 << 16
_PAUSE = 0.002
_PATIENCE = 1.0
"""Seconds of silence on pipes that somebody still holds open after the container's end."""


@contextmanager
def collected_output(log: Log, clean: Callable[[], None], lock: int) -> Iterator[tuple[Streams, int]]:
    """The streams for a container, and a pidfd of the collector. `clean` is called in the collector when this process
    dies within the block. The collector keeps `lock`, the descriptor of the output's directory's lock.

    Leaving the block waits until all output is written; the container must have ended by then. Fork while there is one
    thread.
    """
    stdin = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    out, stdout = os.pipe2(os.O_CLOEXEC)
    err, stderr = os.pipe2(os.O_CLOEXEC)
    collecting = partial(_copy, log, (out, err))
    with (
        cleanup_process(clean, collecting, needs=(out, err, lock), name=COLLECTOR) as pid,
        owned(pidfd_open(pid)) as pidfd,
    ):
        for fd in (out, err):
            os.close(fd)
        try:
            yield Streams(stdin, stdout, stderr), pidfd
        finally:
            for fd in (stdin, stdout, stderr):
                os.close(fd)


def await_copied(streams: Streams, log: Log) -> None:
    """Wait until the collector has written all that was in the pipes, once nobody writes there any more."""
    deadline = time.monotonic() + _PATIENCE
    while _is_late(streams, log) and time.monotonic() < deadline:
        time.sleep(_PAUSE)


def _is_late(streams: Streams, log: Log) -> bool:
    return any(_waiting(fd) for fd in (streams.stdout, streams.stderr)) or log.is_behind


def _waiting(pipe: int) -> int:
    """Bytes in the pipe (ioctl FIONREAD, pipe(7))."""
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)


def _copy(log: Log, pipes: tuple[int, int], alive: int) -> bool:
    """Write what comes from the pipes until both end, or we are told that all is over; whether we were told."""
    open_pipes, untold = list(pipes), [alive]
    while open_pipes or untold:
        ready, _, _ = select.select([*open_pipes, *untold], [], [], None if untold else _PATIENCE)
        if not ready:
            break
        for fd in ready:
            if fd == alive:
                if os.read(fd, _CHUNK) != DONE:
                    return False
                untold.clear()
            elif not log.take(fd):
                open_pipes.remove(fd)
                os.close(fd)
    return True
