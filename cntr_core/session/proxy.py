"""Carries unix stream sockets of the tools' side into the session: X11, Wayland, D-Bus, ssh-agent, Docker …

The session connects to a listener in its own root; each connection gets one of ours to the real socket. Bytes and file
descriptors (SCM_RIGHTS, unix(7)) pass both ways, each direction may end alone, and a reader that does not read stops
its writer.
"""

from __future__ import annotations

import array
import os
import socket
import threading

from ..relay import Loop
from .channel import receive_fds

_CHUNK = 1 << 16
_MOST_FDS = 253  # SCM_MAX_FD


def start(listener: socket.socket, path: str) -> threading.Thread:
    """Serve `listener` in a thread, each connection by one to `path`, until the process ends.

    Where nobody listens at `path`, a connection is accepted and closed at once.
    """
    thread = threading.Thread(target=_serve, args=(listener, path), name=f"proxy {path}", daemon=True)
    thread.start()
    return thread


def _serve(listener: socket.socket, path: str) -> None:
    loop = Loop()
    loop.watched[listener.fileno()] = lambda: _accept(loop, listener, path)
    loop.run(lambda: None)


def _accept(loop: Loop, listener: socket.socket, path: str) -> None:
    client, _ = listener.accept()
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        server.connect(path)
    except OSError:
        client.close()
        server.close()
        return
    client.setblocking(False)
    server.setblocking(False)
    _Connection(loop, client, server)


class _Connection:
    """Two directions; both sockets are closed when both have ended."""

    def __init__(self, loop: Loop, client: socket.socket, server: socket.socket) -> None:
        self._loop = loop
        self._sockets = (client, server)
        self._open = [_Direction(self, client, server), _Direction(self, server, client)]
        loop.streams += self._open

    def ended(self, direction: _Direction) -> None:
        self._open.remove(direction)
        self._loop.streams.remove(direction)
        if not self._open:
            for sock in self._sockets:
                sock.close()

    def broken(self) -> None:
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
        except BlockingIOError:
            return
        except OSError:
            self._connection.broken()
            return
        if not self._data:
            self._finish()

    def write(self) -> None:
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", self._fds))] if self._fds else []
        try:
            sent = self._to.sendmsg([self._data], rights, socket.MSG_NOSIGNAL)
        except BlockingIOError:
            return
        except OSError:
            self._close_fds()
            self._connection.broken()
            return
        self._close_fds()
        self._data = self._data[sent:]

    def _close_fds(self) -> None:
        for fd in self._fds:
            os.close(fd)
        self._fds = []

    def _finish(self) -> None:
        """The source has said all it will: say so to the sink, which may still answer."""
        try:
            self._to.shutdown(socket.SHUT_WR)
        except OSError:
            self._connection.broken()
            return
        self._connection.ended(self)
