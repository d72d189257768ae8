"""Carries unix stream sockets of the tools' side into the session: X11, Wayland, D-Bus, ssh-agent, Docker …

The session connects to a listener in its own root; each connection gets one of ours to the real socket. Bytes and file
descriptors (SCM_RIGHTS, unix(7)) pass both ways, each direction may end alone, and a reader that does not read stops
its writer.
"""

from __future__ import annotations

import array
import os
import resource
import socket
import threading
import time

from ..kernel.channel import receive_fds
from .relay import Loop

_CHUNK = 1 << 16
_MOST_FDS = 253  # SCM_MAX_FD
_SPARE = 16
"""File descriptors that are left to the rest of the process."""
_PAUSE = 0.1
"""Seconds until what could not be done is tried again."""


def start(listener: socket.socket, path: str) -> threading.Thread:
    """Serve `listener` in a thread, each connection by one to `path`, until the process ends.

    Where nobody listens at `path`, a connection is accepted and closed at once.
    """
    thread = threading.Thread(target=_serve, args=(listener, path), name=f"proxy {path}", daemon=True)
    thread.start()
    return thread


def _serve(listener: socket.socket, path: str) -> None:
    _Proxy(listener, path).run()


class _Proxy:
    """Accepts, connects, and hands both to a :class:`_Connection`; what cannot be done now is tried again soon."""

    def __init__(self, listener: socket.socket, path: str) -> None:
        listener.setblocking(False)
        self._listener = listener
        self._path = path
        self._loop = Loop()
        self._waiting: list[tuple[socket.socket, socket.socket]] = []
        self._due: float | None = None

    def run(self) -> None:
        self._listen()
        self._loop.run(self._try_again)

    def _listen(self) -> None:
        self._loop.watched[self._listener.fileno()] = self._accept

    def _accept(self) -> None:
        server = _new_socket()
        if server is None:  # pragma: no cover - it takes a process at its limit of descriptors
            self._rest()
            return
        try:
            client, _ = self._listener.accept()
        except OSError:  # pragma: no cover - a race: the client was gone before it was accepted
            server.close()
            self._rest()
            return
        client.setblocking(False)
        self._connect(client, server)

    def _connect(self, client: socket.socket, server: socket.socket) -> None:
        try:
            server.connect(self._path)
        except BlockingIOError:  # the server's backlog is full (unix(7)); a client of its own would wait, too
            self._waiting.append((client, server))
            self._later()
        except OSError:
            client.close()
            server.close()
        else:
            _Connection(self._loop, client, server)

    def _rest(self) -> None:  # pragma: no cover - it takes a process at its limit of descriptors
        """Leave new connections in the backlog for a while: those that are open go on, and their end makes room."""
        del self._loop.watched[self._listener.fileno()]
        self._later()

    def _later(self) -> None:
        if self._due is None:
            self._due = time.monotonic() + _PAUSE

    def _try_again(self) -> float | None:
        if self._due is not None and time.monotonic() >= self._due:
            self._due = None
            self._listen()
            waiting, self._waiting = self._waiting, []
            for client, server in waiting:
                self._connect(client, server)
        return None if self._due is None else self._due - time.monotonic()


def _new_socket() -> socket.socket | None:
    """A socket that does not block, or None where too few descriptors are left: the session itself needs some."""
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    except OSError:  # pragma: no cover - it takes a process at its limit of descriptors
        return None
    scarce = most != resource.RLIM_INFINITY and sock.fileno() >= most - _SPARE  # it is the lowest free one (open(2))
    if scarce:  # pragma: no cover - as above
        sock.close()
        return None
    return sock


class _Connection:
    """Two directions; both sockets are closed when both have ended."""

    def __init__(self, loop: Loop, client: socket.socket, server: socket.socket) -> None:
        self._loop = loop
        self._sockets = (client, server)
        self._open = [_Direction(self, client, server), _Direction(self, server, client)]
        loop.streams += self._open

    def ended(self, direction: _Direction) -> None:
        direction.close_fds()
        self._open.remove(direction)
        self._loop.streams.remove(direction)
        if not self._open:
            for sock in self._sockets:
                sock.close()

    def broken(self) -> None:  # pragma: no cover - a race: one side is killed with data on its way
        """One side is gone for both directions."""
        for direction in list(self._open):
            self.ended(direction)


class _Direction:
    """Bytes and descriptors from one socket to the other; what waits is sent before more is taken."""

    def __init__(self, connection: _Connection, source: socket.socket, sink: socket.socket) -> None:
        self._connection = connection
        self._from = source
        self._to = sink
        self.source = source.fileno()
        self.sink = sink.fileno()
        self._data = b""
        self._fds: list[int] = []

    @property
    def wants_read(self) -> bool:
        return not self._data

    @property
    def wants_write(self) -> bool:
        return bool(self._data)

    def read(self) -> None:
        try:
            self._data, self._fds = receive_fds(self._from, _CHUNK, _MOST_FDS)
        except BlockingIOError:  # pragma: no cover - poll(2) said otherwise
            return
        except OSError:  # pragma: no cover - as in `broken`
            self._connection.broken()
            return
        if not self._data:
            self._finish()

    def write(self) -> None:
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", self._fds))] if self._fds else []
        try:
            sent = self._to.sendmsg([self._data], rights, socket.MSG_NOSIGNAL)
        except BlockingIOError:  # pragma: no cover - poll(2) said otherwise
            return
        except OSError:  # pragma: no cover - as in `broken`
            self._connection.broken()
            return
        self.close_fds()
        self._data = self._data[sent:]

    def close_fds(self) -> None:
        """Forget the descriptors that wait; those that were sent are the receiver's as well."""
        for fd in self._fds:
            os.close(fd)
        self._fds = []

    def _finish(self) -> None:
        """The source has said all it will: say so to the sink, which may still answer."""
        try:
            self._to.shutdown(socket.SHUT_WR)
        except OSError:  # pragma: no cover - as in `broken`
            self._connection.broken()
            return
        self._connection.ended(self)
