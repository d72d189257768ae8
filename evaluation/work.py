"""What all commands over many images share: which images, an interrupt, the work itself, and how far it is."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from typing import TypeVar

import typer

from .children import Children
from .groups import Group
from .manifest import Entry, entries

T = TypeVar("T")


def chosen(only: Sequence[str] | None, group: Group) -> list[Entry]:
    """The images that ``--only NAME --only NAME,NAME`` names; without any, all of the group.

    :raises typer.BadParameter: there is none of a name.
    """
    names = [name for words in only or () for name in words.split(",")]
    try:
        return entries(names, group)
    except LookupError as error:
        raise typer.BadParameter(str(error)) from None


@contextmanager
def interrupts() -> Iterator[None]:
    """SIGTERM interrupts as Ctrl-C does, with exit code 130. A shell's background job ignores SIGINT, and so would all
    that it starts: what has a handler here has none in a child (execve(2))."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def worked(
    wanted: Sequence[Entry], work: Callable[[Entry], T], children: Children, jobs: int, add: Callable[[T], None]
) -> list[T]:
    """The results of all images, whatever becomes of one, each given to `add` as it comes. On an interrupt the children
    end before it goes on."""
    found = []
    with ThreadPoolExecutor(jobs) as pool:
        futures = [pool.submit(work, entry) for entry in wanted]
        try:
            for future in as_completed(futures):
                found.append(future.result())
                add(found[-1])
        except BaseException:
            children.end()
            pool.shutdown(cancel_futures=True)
            raise
    return found


class Progress:
    """Tells how far the work is, and how long it will take."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0
        self._started = time.monotonic()

    def tell(self, words: str) -> None:
        """One more image is done; `words` say what became of it."""
        self._done += 1
        gone = time.monotonic() - self._started
        left = gone / self._done * (self._total - self._done)
        done = f"[{self._done} of {self._total}, {gone / 60:.1f} min, about {left / 60:.1f} min left]"
        print(f"{words} {done}", file=sys.stderr, flush=True)
