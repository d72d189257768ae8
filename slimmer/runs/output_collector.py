"""A cleanup process that stays with a run, and meanwhile collects the container's output."""

from __future__ import annotations

import fcntl
import mmap
import os
import select
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial

from cntr_core.kernel.process import pidfd_open
from cntr_core.kernel.syscall import owned
from cntr_core.runtime import Streams

from .cleanup import COLLECTOR, DONE, cleanup_process

LARGEST_LOG = 32 << 20
"""Bytes of a container's output that are kept: its end. Else one that prints without end fills a disk in a second."""
_CHUNK = 1 << 16
_PAUSE = 0.002
_PATIENCE = 1.0
"""Seconds of silence on pipes that somebody still holds open after the container's end."""


class Log:
    """What the container wrote, in the file `path`: all of it, or the last megabytes where it is more."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._fd = -1
        self._size = 0
        self._shared = mmap.mmap(-1, 1)  # between the collector and who reads

    @property
    def is_behind(self) -> bool:
        """Whether the collector has taken something that is not written yet."""
        return bool(self._shared[0])

    def take(self, pipe: int) -> bytes:
        """Add what is in `pipe`, and give it; empty at its end."""
        self._shared[0] = 1
        data = os.read(pipe, _CHUNK)
        if data:
            self.write(data)
        self._shared[0] = 0
        return data

    def read(self) -> bytes:
        """What was kept so far."""
        return _content(self._before) + _content(self.path)

    def write(self, data: bytes) -> None:
        """Add to it."""
        if self._fd < 0 or self._size > LARGEST_LOG // 2:
            self._begin()
        with suppress(OSError):  # a full disk loses output, not the container
            os.write(self._fd, data)
        self._size += len(data)

    @property
    def _before(self) -> str:
        return f"{self.path}.before"

    def _begin(self) -> None:
        """A new file; what was in the last one is kept, and what was before is not."""
        if self._fd >= 0:
            os.close(self._fd)
            os.replace(self.path, self._before)
        self._fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._size = 0


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


def _content(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return b""
