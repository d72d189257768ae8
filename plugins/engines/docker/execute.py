"""Commands in containers by docker's API, with a time limit: the docker package reads their output without one."""

from __future__ import annotations

import json
import select
import socket
import time
from collections.abc import Iterator
from contextlib import closing

from cntr_core.errors import EngineError

_LARGEST = 32 << 20
"""Bytes of a command's output that are kept."""
_CHUNK = 1 << 16
_HEADER = 8
_STDERR = 2
_STARTED = (101, 200)  # docker switches the protocol, podman may simply answer


def run_exec(path: str, version: str, identifier: str, deadline: float) -> tuple[bytes, bytes]:
    """Start the exec `identifier` at the engine behind the socket `path`; what it wrote to stdout and stderr.

    `deadline` is one of time.monotonic().

    :raises TimeoutError: it still ran then.
    :raises EngineError: it could not be started.
    """
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)) as connection:
        connection.connect(path)
        connection.sendall(_request(version, identifier))
        answer = b"".join(_limited(_received(connection, deadline)))
    head, _, body = answer.partition(b"\r\n\r\n")
    status = head.split(maxsplit=2)[1:2]
    if not status or not status[0].isdigit() or int(status[0]) not in _STARTED:
        reason = body.decode(errors="replace").strip()
        raise EngineError(f"the command cannot be started: {reason or 'no answer'}", "look at the container's log")
    return _demultiplexed(body)


def _request(version: str, identifier: str) -> bytes:
    """The request of docker's API, "Start an exec instance", whose answer is the output and nothing else."""
    body = json.dumps({"Detach": False, "Tty": False}).encode()
    lines = (
        f"POST /v{version}/exec/{identifier}/start HTTP/1.1",
        "Host: localhost",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Connection: Upgrade",
        "Upgrade: tcp",
    )
    return "\r\n".join((*lines, "", "")).encode() + body


def _received(connection: socket.socket, deadline: float) -> Iterator[bytes]:
    """All bytes until the engine closes the connection, which it does when the command has ended."""
    while True:
        if not select.select([connection], [], [], max(0.0, deadline - time.monotonic()))[0]:
            raise TimeoutError
        data = connection.recv(_CHUNK)
        if not data:
            return
        yield data


def _limited(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The first bytes; the rest is read and dropped, for a command may print without end."""
    left = _LARGEST
    for piece in pieces:
        if left > 0:
            yield piece[:left]
            left -= len(piece)


def _demultiplexed(body: bytes) -> tuple[bytes, bytes]:
    """The two streams of the multiplexed one: a frame begins with its stream's number, and has its size at byte 4."""
    streams: tuple[list[bytes], list[bytes]] = ([], [])
    at = 0
    while at + _HEADER <= len(body):
        size = int.from_bytes(body[at + 4 : at + _HEADER], "big")
        streams[body[at] == _STDERR].append(body[at + _HEADER : at + _HEADER + size])
        at += _HEADER + size
    return b"".join(streams[0]), b"".join(streams[1])
