"""ZooKeeper's protocol, as far as the workloads need it."""

import socket
import struct
from typing import Any

CREATE, DELETE, EXISTS, GET, SET, CHILDREN, CLOSE = 1, 2, 3, 4, 5, 8, -11
ANYBODY = struct.pack(">ii", 1, 31) + struct.pack(">i5si6s", 5, b"world", 6, b"anyone")


def text(value: bytes) -> bytes:
    return struct.pack(">i", len(value)) + value


class Session:
    """A session of ten seconds."""

    def __init__(self) -> None:
        self._sock = socket.create_connection(("127.0.0.1", 2181), 10)
        self._number = 0
        self._send(struct.pack(">iqiq", 0, 0, 10000, 0) + text(bytes(16)))
        self._receive()

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: Any) -> None:
        self.ask(CLOSE, b"")
        self._sock.close()

    def ask(self, operation: int, request: bytes) -> tuple[int, bytes]:
        """The error's number, and the answer."""
        self._number += 1
        self._send(struct.pack(">ii", self._number, operation) + request)
        answer = self._receive()
        return struct.unpack(">i", answer[12:16])[0], answer[16:]

    def create(self, path: bytes, data: bytes, flags: int = 0) -> int:
        return self.ask(CREATE, text(path) + text(data) + ANYBODY + struct.pack(">i", flags))[0]

    def _send(self, message: bytes) -> None:
        self._sock.sendall(text(message))

    def _receive(self) -> bytes:
        size = struct.unpack(">i", self._sock.recv(4, socket.MSG_WAITALL))[0]
        return self._sock.recv(size, socket.MSG_WAITALL)
