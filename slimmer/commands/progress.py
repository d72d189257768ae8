"""What a person sees meanwhile: one line on a terminal, nothing anywhere else."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class Display:
    """Shows what is being done, and of what has a size how much of it is done."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._step: TaskID | None = None
        self._bytes: dict[str, TaskID] = {}

    def say(self, text: str) -> None:
        """A new step."""
        if self._progress is None:
            return
        if self._step is None:
            self._step = self._progress.add_task("", total=None)
        self._progress.update(self._step, description=text)

    def moved(self, what: str, size: int) -> None:
        """`size` more bytes were written, compressed, uploaded …"""
        if self._progress is None:
            return
        if what not in self._bytes:
            self._bytes[what] = self._progress.add_task(what, total=None)
        self._progress.advance(self._bytes[what], size)


@contextmanager
def display() -> Iterator[Display]:
    """A display on stderr, if that is a terminal."""
    if not sys.stderr.isatty():
        yield Display(None)
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield Display(progress)
