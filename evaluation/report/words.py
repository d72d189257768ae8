"""Figures and names as the page shows them."""

from __future__ import annotations

from ..results import Result


def percent(share: float) -> str:
    """A share from 0 to 1 as people read it."""
    return f"{100 * share:.1f} %"


def named(result: Result) -> str:
    """The image's name, and that it stands for another, if it does."""
    return result.name if result.origin == "same" else f"{result.name} ({result.origin})"


def size(count: float) -> str:
    """Bytes, in powers of 1000."""
    return f"{count / 1e6:,.1f} MB"


def passed(checks: tuple[int, int]) -> str:
    """How many checks passed of all."""
    good, every = checks
    return f"{good} of {every}" + (f" ({percent(good / every)})" if every else "")


def first(text: str) -> str:
    """The first words of a text of many lines."""
    words = " ".join(text.split())
    return words if len(words) <= 160 else f"{words[:160]}…"
