"""Images that were traced in an engine's own containers, beside those that cntr ran itself."""

from __future__ import annotations

from collections.abc import Sequence

from ..results import Result
from .document import Table
from .numbers import Run, reduction
from .words import named, percent


def apart(runs: Sequence[Run]) -> tuple[list[Run], list[Run]]:
    """The runs of cntr's own containers, and those of engines; where there are none of the first, all are."""
    own = [run for run in runs if not run[0].engine]
    return (own, [run for run in runs if run[0].engine]) if own else (list(runs), [])


def table(main: Run, run: Run) -> Table:
    """A run in an engine, and of `main` the same images."""
    own = {result.name: result for result in main}
    rows = [_row(result, own.get(result.name)) for result in sorted(run, key=lambda one: one.name)]
    return Table(["image", f"less, in {run[0].engine}", "checks", "joins", "less, in cntr's own", "checks"], rows)


def _row(result: Result, own: Result | None) -> list[str]:
    joins = "yes" if result.joined and not result.differences else "no"
    return [named(result), *_figures(result), joins, *(_figures(own) if own else ("", ""))]


def _figures(result: Result) -> tuple[str, str]:
    if result.error:
        return "failed", ""
    good, every = result.checks()
    return percent(reduction(result)), f"{good} of {every}"
