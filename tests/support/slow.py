"""A daemon behind which everything takes long: its socket, with a delay before all that it is told."""

from __future__ import annotations

import asyncio
import socket
from contextlib import AbstractContextManager, suppress

from tests.support.sockets import server_at

_CHUNK = 1 << 16


def slow(path: str, daemon: str, delay: float) -> AbstractContextManager[None]:
    """A socket at `path` that hands on to that of `daemon`, `delay` seconds late: each answer is so much later, and
    what comes in one go is only late once."""
    return server_at(path, lambda listener: asyncio.run(_serve(listener, daemon, delay)))


async def _serve(listener: socket.socket, daemon: str, delay: float) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, questions = await asyncio.open_unix_connection(daemon)
        async with asyncio.TaskGroup() as both:
            both.create_task(_hand_on(reader, questions, delay))
            both.create_task(_hand_on(answers, writer, 0))

    server = await asyncio.start_unix_server(connected, sock=listener)
    await server.serve_forever()


async def _hand_on(source: asyncio.StreamReader, target: asyncio.StreamWriter, delay: float) -> None:
    """All that comes, each piece `delay` seconds after it came, and then the end."""
    pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    async def collect() -> None:
        while True:
            try:
                data = await source.read(_CHUNK)
            except OSError:
                data = b""
            await pieces.put((loop.time() + delay, data))
            if not data:
                return

    async with asyncio.TaskGroup() as both:
        both.create_task(collect())
        while True:
            due, data = await pieces.get()
            await asyncio.sleep(max(0.0, due - loop.time()))
            if not data:
                break
            target.write(data)
            try:
                await target.drain()
            except OSError:
                break
    with suppress(OSError):
        target.write_eof()
