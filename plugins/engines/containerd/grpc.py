"""gRPC over a unix socket, as containerd and the runtimes of Kubernetes speak it."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from cntr_core.engine import SILENCE
from cntr_core.errors import EngineError

from ..sockets import unanswered

Metadata = Mapping[str, str] | None

if TYPE_CHECKING:
    import asyncio

    from grpclib.client import Channel


class Refused(EngineError):
    """The server answers by an error. `status` is its name: ``NOT_FOUND``, ``ALREADY_EXISTS``, ``UNIMPLEMENTED`` …"""

    status = ""


class Client:
    """Calls at one socket; `name` is the engine's, for messages. Made by :func:`connected`."""

    def __init__(self, name: str, path: str, limit: float, runner: asyncio.Runner, channel: Channel) -> None:
        self.name = name
        self._path = path
        self._limit = limit
        self._runner = runner
        self._channel = channel

    def call(self, method: str, request: Any, reply: type[Any], metadata: Metadata = None) -> Any:
        """The answer to one request. `method` is ``/PACKAGE.SERVICE/METHOD``.

        :raises Refused: the server says no.
        :raises EngineError: any other failure.
        """
        from grpclib.client import UnaryUnaryMethod

        call = UnaryUnaryMethod(self._channel, method, type(request), reply)
        return self._run(call(request, metadata=metadata))

    def stream(self, method: str, request: Any, reply: type[Any], metadata: Metadata = None) -> list[Any]:
        """All answers to one request; errors as for :meth:`call`."""
        from grpclib.client import UnaryStreamMethod

        call = UnaryStreamMethod(self._channel, method, type(request), reply)
        return self._run(call(request, metadata=metadata))  # type: ignore[no-any-return]  # as the library has it

    def exchange(self, method: str, request: Any, reply: type[Any], metadata: Metadata = None) -> list[Any]:
        """All answers to one request of a method that would take several; errors as for :meth:`call`."""
        from grpclib.client import StreamStreamMethod

        call = StreamStreamMethod(self._channel, method, type(request), reply)
        return self._run(call([request], metadata=metadata))  # type: ignore[no-any-return]  # as the library has it

    def _run(self, call: Any) -> Any:
        from google.protobuf.message import DecodeError
        from grpclib.exceptions import GRPCError, ProtocolError, StreamTerminatedError

        try:
            return self._answer(call)
        except GRPCError as error:
            refused = Refused(f"{self.name} refused: {error.message or error.status.name}", "see its log")
            refused.status = error.status.name
            raise refused from None
        # The last two are what grpclib 0.4 has for connections that break before it has agreed on HTTP/2.
        except (DecodeError, ProtocolError, StreamTerminatedError, AssertionError, AttributeError):
            sentence = f"{self.name}'s answer at {self._path} cannot be understood"
            raise EngineError(sentence, "check which program serves that socket") from None
        except (OSError, TimeoutError) as error:
            reason = getattr(error, "strerror", None) or "no answer"
            raise unanswered(self.name, self._path, reason) from None

    def _answer(self, call: Any) -> Any:
        answer: Any = None

        async def kept() -> None:
            """asyncio writes a finished task's result down as text, which takes seconds for a layer of an image."""
            nonlocal answer
            answer = await _within(self._limit, call)

        self._runner.run(kept())
        return answer


async def _within(limit: float, call: Any) -> Any:
    import asyncio

    async with asyncio.timeout(limit):
        return await call


@contextmanager
def connected(name: str, path: str, limit: float = SILENCE) -> Iterator[Client]:
    """A client, good for the block; nothing is sent yet. `limit` is in seconds, for each call."""
    import asyncio  # 50 ms, and only worth them where there is somebody to ask

    from grpclib.client import Channel

    async def opened() -> Channel:
        return Channel(path=path)

    async def closed() -> None:
        channel.close()
        await asyncio.sleep(0)  # the transport closes its socket in the next turn

    logging.getLogger("grpclib").addHandler(logging.NullHandler())  # what fails is told by an EngineError
    with asyncio.Runner() as runner:
        channel = runner.run(opened())
        try:
            yield Client(name, path, limit, runner, channel)
        finally:
            runner.run(closed())
