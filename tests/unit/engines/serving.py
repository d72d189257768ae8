"""gRPC servers of our own at a socket, which answer as other versions do, or as no sane server would."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from google.protobuf.message import Message
from grpclib.const import Cardinality, Handler, Status
from grpclib.exceptions import GRPCError
from grpclib.server import Server, Stream

from tests.children import child, until

Answer = Callable[[Any, Mapping[str, str]], Any]
"""The message for a request and its metadata."""


@contextmanager
def serving(path: str, methods: Mapping[str, tuple[type[Any], Answer]]) -> Iterator[None]:
    """A server in a child process. `methods` has the type of the request and the answer, by the method's full name."""
    with child(lambda: asyncio.run(_serve(path, methods))):
        until(lambda: os.path.exists(path))
        yield


@contextmanager
def chattering(path: str, said: bytes | None) -> Iterator[None]:
    """A server that says `said` to everybody and hangs up, whatever it was asked; or nothing ever, for None."""

    def talk() -> None:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen()
            while True:
                connection, _ = listener.accept()
                if said is not None:
                    connection.sendall(said)
                    connection.close()
                else:
                    held.append(connection)

    held: list[socket.socket] = []
    with child(talk):
        until(lambda: os.path.exists(path))
        yield


def refuse(_request: Any, _metadata: Mapping[str, str]) -> Any:
    """An answer that is an error."""
    raise GRPCError(Status.INTERNAL, "out of order")


async def _serve(path: str, methods: Mapping[str, tuple[type[Any], Answer]]) -> None:
    class Service:
        def __mapping__(self) -> dict[str, Handler]:
            return {name: _handler(*method) for name, method in methods.items()}

    server = Server([Service()])
    await server.start(path=path)
    await server.wait_closed()


def _handler(request_type: type[Any], answer: Answer) -> Handler:
    async def handle(stream: Stream[Any, Any]) -> None:
        request = await stream.recv_message()
        await stream.send_message(answer(request, {str(k): str(v) for k, v in (stream.metadata or {}).items()}))

    return Handler(handle, Cardinality.UNARY_UNARY, request_type, Message)
