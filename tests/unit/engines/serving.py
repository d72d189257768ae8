"""gRPC servers of our own at a socket, which answer as other versions do."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

import pytest
from cntr_plugins.engines.containerd import grpc
from google.protobuf.message import Message
from grpclib.const import Cardinality, Handler, Status
from grpclib.exceptions import GRPCError
from grpclib.server import Server, Stream

from tests.support.sockets import server_at

Answer = Callable[[Any, Mapping[str, str]], Any]
"""The message for a request and its metadata."""


def serving(path: str, methods: Mapping[str, tuple[type[Any], Answer]]) -> AbstractContextManager[None]:
    """A server in a child process. `methods` has the type of the request and the answer, by the method's full name."""
    return server_at(path, lambda listener: asyncio.run(_serve(listener, methods)))


def give_up_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients give up a silent server after half a second, whatever they would give it."""
    within = grpc._within
    monkeypatch.setattr(grpc, "_within", lambda limit, call: within(min(limit, 0.5), call))


def refuse(_request: Any, _metadata: Mapping[str, str]) -> Any:
    """An answer that is an error."""
    raise GRPCError(Status.INTERNAL, "out of order")


async def _serve(listener: socket.socket, methods: Mapping[str, tuple[type[Any], Answer]]) -> None:
    class Service:
        def __mapping__(self) -> dict[str, Handler]:
            return {name: _handler(*method) for name, method in methods.items()}

    server = Server([Service()])
    await server.start(sock=listener)
    await server.wait_closed()


def _handler(request_type: type[Any], answer: Answer) -> Handler:
    async def handle(stream: Stream[Any, Any]) -> None:
        request = await stream.recv_message()
        await stream.send_message(answer(request, {str(k): str(v) for k, v in (stream.metadata or {}).items()}))

    return Handler(handle, Cardinality.UNARY_UNARY, request_type, Message)
