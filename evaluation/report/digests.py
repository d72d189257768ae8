"""The section on whether the same inputs give the same slim image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..results import Result
from .document import Table
from .numbers import Run
from .words import named, size

_NOT_RUN = (
    "Not measured yet: a second run of python -m evaluation top50, with --results evaluation/results/again.jsonl, does "
    "it."
)


def digests(run: Run, again: Sequence[Result]) -> Iterator[str | Table]:
    """How many images came out the same in a second run, and what the others have otherwise."""
    before = {one.name: one for one in run if one.slim}
    both = [(before[one.name], one) for one in again if one.slim and _comparable(before.get(one.name), one)]
    if not both:
        yield _NOT_RUN
        return
    others = [pair for pair in both if pair[0].slim != pair[1].slim]
    yield (
        f"Of {len(both)} images that were slimmed twice, by the same code, {len(both) - len(others)} have the same "
        f"digest both times."
        + (" The others used other files when they were run again, or used one more or less:" if others else "")
    )
    if others:
        yield Table(["image", "files", "bytes", "kept otherwise, by rules"], [_row(*pair) for pair in others])


def _comparable(one: Result | None, other: Result) -> bool:
    if one is None:
        return False
    return (one.digest, one.machine.code, one.key) == (other.digest, other.machine.code, other.key)


def _row(one: Result, other: Result) -> list[str]:
    names = sorted(one.rules.keys() | other.rules.keys())
    changed = [name for name in names if one.rules.get(name) != other.rules.get(name)]
    files = f"{one.files.slim}, then {other.files.slim}"
    return [named(one), files, f"{size(one.bytes.slim)}, then {size(other.bytes.slim)}", ", ".join(changed)]
