#!/usr/bin/env python3
"""The binary protocol: a version request, and a value that is set and read."""

import socket
import struct

HEADER = struct.Struct(">BBHBBHIIQ")


def ask(sock: socket.socket, opcode: int, key: bytes = b"", extras: bytes = b"", value: bytes = b"") -> bytes:
    length = len(key) + len(extras) + len(value)
    sock.sendall(HEADER.pack(0x80, opcode, len(key), len(extras), 0, 0, length, 0, 0) + extras + key + value)
    answer = sock.recv(HEADER.size, socket.MSG_WAITALL)
    _, _, _, _, _, status, length, _, _ = HEADER.unpack(answer)
    assert status == 0, status
    return sock.recv(length, socket.MSG_WAITALL) if length else b""


with socket.create_connection(("127.0.0.1", 11211), 5) as sock:
    assert ask(sock, 0x0B)
    ask(sock, 0x01, b"key", bytes(8), b"value")
    assert ask(sock, 0x00, b"key").endswith(b"value")
