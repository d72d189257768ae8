"""Aims and whether they are met, as pages tell of them."""

from __future__ import annotations

from collections.abc import Sequence

from .document import Table

Judgement = tuple[str, str, str, bool]
"""What, the aim, what was found, and whether that is enough."""


def verdicts(aim: str, found: Sequence[Judgement]) -> list[str | Table]:
    """A sentence, and a table with the missed ones first; `aim` is the name of the aims' column."""
    ordered = sorted(found, key=lambda one: one[-1])
    rows = [[what, bound, value, "met" if met else "MISSED"] for what, bound, value, met in ordered]
    missed = sum(not met for *_, met in found)
    words = f"{missed} of {len(rows)} aims are missed; they come first."
    return [words, Table(["what", aim, "found", "verdict"], rows)]
