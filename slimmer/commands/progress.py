"""What a person sees meanwhile: one line on a terminal, nothing anywhere else."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


_PAUSE = 0.1
"""Seconds between two refreshes while bytes flow."""


class Display:
    """Shows what is being done, and of what has a size how much of it is done."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._step: TaskID | None = None
        self._bytes: dict[str, tuple[TaskID, int]] = {}
        self._shown = 0.0

    def say(self, text: str) -> None:
        """A new step."""
        if self._progress is None:
            return
        if self._step is None:
            self._step = self._progress.add_task("", total=None)
        self._progress.update(self._step, description=text, refresh=True)

    def moved(self, what: str, size: int) -> None:
        """`size` more bytes were written, compressed, uploaded …"""
        if self._progress is None:
            return
        task, before = self._bytes.get(what) or (self._progress.add_task(what, total=None), 0)
        self._bytes[what] = task, before + size
        if time.monotonic() - self._shown > _PAUSE:
            moved = f"{what}: {(before + size) / 1e6:.0f} MB"
            self._progress.update(task, description=moved, refresh=True)
            self._shown = time.monotonic()


@contextmanager
def display() -> Iterator[Display]:
    """A display on stderr, if that is a terminal."""
    if not sys.stderr.isatty():
        yield Display(None)
        return
    from rich.console import Console
    from rich.progress import Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    # Refreshed by hand: the library's own way is a thread, and processes are forked meanwhile.
    with Progress(*columns, console=Console(stderr=True), transient=True, auto_refresh=False) as progress:
        yield Display(progress)
