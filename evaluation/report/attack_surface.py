"""What a scanner and an intruder find in slim images: packages, setuid programs, shells."""

from __future__ import annotations

from collections.abc import Iterator

from ..results import Pieces, Result
from .document import Table
from .numbers import Run
from .words import named, percent

_PARTS = (
    ("packages with files", "packages"),
    ("setuid and setgid programs", "setuid"),
    ("shells", "shells"),
    ("files", "files"),
)
WORDS = (
    "A package without a file has nothing left that could be attacked, though a scanner may still read its name. A "
    "shell is what an intruder starts first, a setuid program what makes him root."
)


def tables(run: Run) -> Iterator[Table]:
    """Sums of a run, then its images."""
    yield Table(["of all images", "original", "slim", "gone", "images with none left"], list(_sums(run)))
    columns = ["image", "packages", "left with files", "without a file", "setuid programs", "left", "shells", "left"]
    good = sorted((result for result in run if not result.error), key=lambda one: one.name)
    yield Table(columns, list(map(_row, good)))


def _sums(run: Run) -> Iterator[list[str]]:
    good = [result for result in run if not result.error]
    for what, part in _PARTS:
        pieces: list[Pieces] = [getattr(result, part) for result in good]
        original, slim = sum(one.original for one in pieces), sum(one.slim for one in pieces)
        none = sum(one.slim == 0 for one in pieces)
        gone = percent(1 - slim / original) if original else ""
        yield [what, str(original), str(slim), gone, f"{none} of {len(good)}"]


def _row(result: Result) -> list[str]:
    packages = result.packages
    found = [packages.original, packages.slim, packages.original - packages.slim]
    for one in (result.setuid, result.shells):
        found += [one.original, one.slim]
    return [named(result), *map(str, found)]
