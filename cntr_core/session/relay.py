"""Carrying bytes between the caller's streams and the session's, unchanged, with bounded memory and without blocking.

The caller's descriptors stay in blocking mode: their open file descriptions are shared with the caller's shell. poll(2)
promises room for PIPE_BUF bytes, so no write to such a one is larger. Regular files are always ready, and what does not
block takes what it can.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import stat
from collections.abc import Callable
from typing import Protocol

_LIMIT = 1 << 18
_CHUNK = select.PIPE_BUF

READABLE = select.POLLIN | select.POLLHUP | select.POLLERR | select.POLLNVAL
WRITABLE = select.POLLOUT | select.POLLHUP | select.POLLERR | select.POLLNVAL


class Stream:
    """One direction: what can be read from `source` goes to `sink`; `on_end` is called once, after the last byte.

    A sink that nobody reads any more (EPIPE) ends the stream too.
    """

    def __init__(self, source: int, sink: int, on_end: Callable[[], None]) -> None:
        self.source = source
        self.sink = sink
        self._on_end = on_end
        self._buffer = bytearray()
        self._chunk = _LIMIT if _takes_what_it_can(sink) else _CHUNK
        self._exhausted = False
        self.ended = False

    @property
    def wants_read(self) -> bool:
        return not self._exhausted and len(self._buffer) < _LIMIT

    @property
    def wants_write(self) -> bool:
        return bool(self._buffer)

    def read(self) -> None:
        """Take what is there. A pty's master answers EIO when its other side is closed: the end, like EOF."""
        try:
            data = os.read(self.source, _LIMIT)
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno not in (errno.EIO, errno.ECONNRESET):
                raise
            data = b""
        self._buffer += data
        self._exhausted = not data
        if data and self._chunk == _LIMIT:
            self.write()
        self._settle()

    def write(self) -> None:
        """Pass on what the sink is sure to take, or takes without blocking."""
        try:
            with memoryview(self._buffer) as view:
                written = os.write(self.sink, view[: self._chunk])
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.ECONNRESET, errno.EIO):
                raise
            self._exhausted = True
            written = len(self._buffer)
        del self._buffer[:written]
        self._settle()

    def _settle(self) -> None:
        if self._exhausted and not self._buffer and not self.ended:
            self.ended = True
            self._on_end()


def _takes_what_it_can(sink: int) -> bool:
    return not os.get_blocking(sink) or stat.S_ISREG(os.fstat(sink).st_mode)


class Pump(Protocol):
    """What the loop carries: reads `source` and writes `sink` when they are ready and it wants to."""

    source: int
    sink: int

    @property
    def wants_read(self) -> bool: ...
    @property
    def wants_write(self) -> bool: ...
    def read(self) -> None: ...
    def write(self) -> None: ...


class Loop:
    """poll(2) over streams and single descriptors, until `stop` is called."""

    def __init__(self) -> None:
        self.streams: list[Pump] = []
        self.watched: dict[int, Callable[[], None]] = {}
        self._running = True

    def stop(self) -> None:
        self._running = False

    def run(self, deadline: Callable[[], float | None]) -> None:
        """Dispatch until stopped. `deadline` gives the seconds until it wants to be called again, None for never."""
        self._running = True
        while self._running:
            wait = deadline()
            for fd, happened in self._poll(wait) if self._running else ():
                self._dispatch(fd, happened)

    def _poll(self, wait: float | None) -> list[tuple[int, int]]:
        interest = dict.fromkeys(self.watched, select.POLLIN)
        for stream in self.streams:
            if stream.wants_read:
                interest[stream.source] = interest.get(stream.source, 0) | select.POLLIN
            if stream.wants_write:
                interest[stream.sink] = interest.get(stream.sink, 0) | select.POLLOUT
        poll = select.poll()
        for fd, mask in interest.items():
            poll.register(fd, mask)
        return poll.poll(None if wait is None else int(max(0.0, wait) * 1000) + 1)

    def _dispatch(self, fd: int, happened: int) -> None:
        if (callback := self.watched.get(fd)) is not None:
            callback()
            return
        for stream in tuple(self.streams):
            if stream.sink == fd and happened & WRITABLE and stream.wants_write:
                stream.write()
            if stream.source == fd and happened & READABLE and stream.wants_read:
                stream.read()


def is_readable(fd: int | socket.socket, seconds: float = 0) -> bool:
    """Whether there is something to read, now or within `seconds`; of a pidfd, whether its process has ended."""
    return bool(select.select([fd], [], [], seconds)[0])
