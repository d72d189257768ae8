"""What a person sees meanwhile: one line on a terminal, nothing anywhere else."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from ..images.write.new_image import Named

_PAUSE = 0.1
"""Seconds between two refreshes while bytes flow."""


class TerminalDisplay:
    """Shows what is being done; where that has a size, also a bar, and how much of it is done."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._task: TaskID | None = None
        self._what = ""
        self._done = 0
        self._totals: dict[str, int | None] = {}
        self._shown = 0.0

    def say(self, text: str) -> None:
        """A new step, or the same one still."""
        if self._progress is None:
            return
        if text != self._what:
            if self._task is not None:
                self._progress.remove_task(self._task)
            self._what, self._done = text, 0
            self._task = self._progress.add_task(text, total=self._totals.get(text), amount="")
            self._shown = 0.0
        self._refresh()

    def moved(self, what: str, size: int) -> None:
        """`size` more bytes were written, compressed, uploaded …"""
        if self._progress is None:
            return
        if what != self._what:
            self.say(what)
        self._done += size
        self._refresh()

    def _refresh(self) -> None:
        if self._progress is None or self._task is None:
            return
        total = self._totals.get(self._what)
        if self._done != total and time.monotonic() - self._shown < _PAUSE:
            return  # but the last piece is always shown, however quick all was
        of = "" if total is None else f" of {total / 1e6:.0f}"
        amount = f"{self._done / 1e6:.0f}{of} MB" if self._done else ""
        self._progress.update(self._task, completed=self._done, amount=amount, refresh=True)
        self._shown = time.monotonic()

    def expect(self, what: str, total: int | None) -> None:
        """`total` bytes in all will be told to :meth:`moved` as `what`; None: nobody knows."""
        self._totals[what] = total

    def expect_saved(self, images: Sequence[Named]) -> None:
        """`images` will be saved somewhere, as :class:`~..oci.destination.Destination` tells it."""
        from ..images.write.new_image import parts

        size = sum(blob.descriptor.size for blob in parts(images))
        for what in ("writing", "uploading"):
            self.expect(what, size)
        self.say("saving")

    def counting(self, what: str, total: int | None) -> Callable[[int], None]:
        """What is told how many more bytes of `total` are done as `what`."""
        self.expect(what, total)
        return lambda size: self.moved(what, size)


@contextmanager
def display() -> Iterator[TerminalDisplay]:
    """A display on stderr, if that is a terminal."""
    if not sys.stderr.isatty():
        yield TerminalDisplay(None)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=30),
        TextColumn("{task.fields[amount]}", markup=False),
        TimeElapsedColumn(),
    )
    # Refreshed by hand: the library's own way is a thread, and processes are forked meanwhile.
    with Progress(*columns, console=Console(stderr=True), transient=True, auto_refresh=False) as progress:
        yield TerminalDisplay(progress)
