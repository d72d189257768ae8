"""Figures and names as the page shows them."""

from __future__ import annotations

import re

from ..results import Result
from .numbers import Run

_HEAD = re.compile(r'time="[^"]*" level=[a-z]+ msg=')


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
    """The first words of a text of many lines, without the head that runc gives to its own."""
    words = " ".join(_HEAD.sub("", text).split())
    return words if len(words) <= 160 else f"{words[:160]}…"


def way(run: Run) -> str:
    """How the images of a run were slimmed."""
    one = run[0]
    return f"--keep {one.keep or 'balanced'}, traced under the {one.probe} workload" + (
        f" in {one.engine}" if one.engine else ""
    )


def short(run: Run) -> str:
    """The same for the head of a column."""
    one = run[0]
    return ", ".join(filter(None, (one.keep or "balanced", one.probe, one.engine)))
