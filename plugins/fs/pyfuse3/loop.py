"""What pyfuse3 needs of trio, for handlers that never wait.

pyfuse3 runs a task for each request, on the trio module it finds among its globals; ``pyfuse3.asyncio.enable()``
exchanges that one, and so does :func:`take_the_place_of_trio`. Its requests then follow each other without an event
loop in between, which halves the time that each takes. No coroutine here ever suspends.
"""

from __future__ import annotations

import select
from collections.abc import Callable, Coroutine
from functools import partial
from types import SimpleNamespace, TracebackType
from typing import Any

import pyfuse3

from ..logic.stop import Stopper


class _Block:
    """A lock that nobody else wants, and the base of the nursery."""

    async def __aenter__(self) -> _Block:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


class _Nursery(_Block):
    """Runs its one task when the block ends, which is where trio would wait for it."""

    def __init__(self) -> None:
        self._tasks: list[Coroutine[Any, Any, None]] = []

    def start_soon(
        self, function: Callable[..., Coroutine[Any, Any, None]], *arguments: object, name: str = ""
    ) -> None:
        del name
        self._tasks.append(function(*arguments))

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            await task


async def _wait_readable(stopper: Stopper, fd: int) -> None:
    """pyfuse3 reads with the interpreter's lock held: wait here, so that other threads and signals get through."""
    stopper.wait()
    select.select([fd], [], [])
    stopper.work()


def take_the_place_of_trio(stopper: Stopper) -> None:
    """Before ``pyfuse3.init``, which takes a lock from it in 3.4. For good: a process serves one mount."""
    low_level = SimpleNamespace(
        current_trio_token=lambda: None,
        current_task=lambda: SimpleNamespace(name="requests"),
        wait_readable=partial(_wait_readable, stopper),
    )
    pyfuse3.trio = SimpleNamespace(  # type: ignore[attr-defined]  # a global of its implementation
        Lock=_Block, open_nursery=_Nursery, lowlevel=low_level, ClosedResourceError=ConnectionError
    )


def run() -> None:
    """Serve until the mount is gone."""
    main = pyfuse3.main(min_tasks=1, max_tasks=1)
    try:
        main.send(None)
    except StopIteration:
        return
    raise RuntimeError("pyfuse3 waits for something that this loop does not know")
