#!/usr/bin/env python3
"""AMQP 0-9-1: a connection with the account guest, a channel, a queue that is declared and deleted."""

import socket
import struct


def frame(kind: int, channel: int, payload: bytes) -> bytes:
    return struct.pack(">BHI", kind, channel, len(payload)) + payload + b"\xce"


def method(channel: int, number: int, name: int, arguments: bytes = b"") -> bytes:
    return frame(1, channel, struct.pack(">HH", number, name) + arguments)


def short(text: bytes) -> bytes:
    return bytes([len(text)]) + text


def expect(sock: socket.socket, number: int, name: int) -> bytes:
    head = sock.recv(7, socket.MSG_WAITALL)
    _, _, size = struct.unpack(">BHI", head)
    payload = sock.recv(size + 1, socket.MSG_WAITALL)[:-1]
    assert struct.unpack(">HH", payload[:4]) == (number, name), payload
    return payload[4:]


with socket.create_connection(("127.0.0.1", 5672), 30) as sock:
    sock.sendall(b"AMQP\0\0\x09\x01")
    expect(sock, 10, 10)
    answer = b"\0guest\0guest"
    sock.sendall(
        method(
            0,
            10,
            11,
            struct.pack(">I", 0) + short(b"PLAIN") + struct.pack(">I", len(answer)) + answer + short(b"en_US"),
        )
    )
    tune = expect(sock, 10, 30)
    sock.sendall(method(0, 10, 31, tune) + method(0, 10, 40, short(b"/") + short(b"") + b"\0"))
    expect(sock, 10, 41)
    sock.sendall(method(1, 20, 10, short(b"")))
    expect(sock, 20, 11)
    sock.sendall(method(1, 50, 10, struct.pack(">H", 0) + short(b"") + b"\x04" + struct.pack(">I", 0)))
    expect(sock, 50, 11)
