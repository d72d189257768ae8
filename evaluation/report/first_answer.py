"""The time to the first answer, original against slim, as a section of the page."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence

from ..first_answer.results import FirstAnswer, Taken
from .document import Table
from .words import percent, size

NOT_MEASURED = "Not measured yet: python -m evaluation first-answer does it."


def parts(answers: Sequence[FirstAnswer]) -> Iterator[str | Table]:
    """What the page says of `answers`."""
    if not answers:
        yield NOT_MEASURED
        return
    measured = [one for one in answers if one.ratio is not None]
    if measured:
        yield _sentence(measured)
    yield Table(
        [
            "image",
            "asked",
            "pulled",
            "slim",
            "first answer",
            "slim",
            "of the original's",
            "pull, start, answer",
            "slim",
        ],
        [_row(one) for one in sorted(answers, key=lambda one: one.ratio or 2.0)],
    )


def _sentence(measured: Sequence[FirstAnswer]) -> str:
    first, ratios = measured[0], [one.ratio or 0.0 for one in measured]
    original = statistics.mean(one.original.seconds for one in measured if one.original)
    slim = statistics.mean(one.slim.seconds for one in measured if one.slim)
    mean, median, best = map(percent, (statistics.mean(ratios), statistics.median(ratios), min(ratios)))
    return (
        f"From docker pull to the answer to a health check, by an engine that has nothing yet ({first.engine}), from a "
        f"registry ({first.registry}) behind a link of {first.mbit:g} Mbit/s and {first.milliseconds:g} ms, layers "
        f"compressed by gzip. In the mean of {len(ratios)} images the slim one answers after {slim:.1f} s, the "
        f"original after {original:.1f} s ({percent(slim / original)}). Each slim image takes {mean} of its original's "
        f"time in the mean, {median} in the median, {best} at best.{_load(measured)}"
    )


def _load(measured: Sequence[FirstAnswer]) -> str:
    loads = [one.load for one in measured if one.load is not None]
    if not loads:
        return ""
    return f" The machine ({measured[0].machine.cpus} processors) had load averages of up to {max(loads):.1f}."


def _row(one: FirstAnswer) -> list[str]:
    name = one.name if one.origin == "same" else f"{one.name} ({one.origin})"
    if one.original is None or one.slim is None or one.ratio is None:
        return [name, one.step, "", "", "failed", "", one.error[:160], "", ""]
    sizes = [size(taken.bytes) for taken in (one.original, one.slim)]
    times = [f"{taken.seconds:.1f} s" for taken in (one.original, one.slim)]
    return [name, one.step, *sizes, *times, percent(one.ratio), _phases(one.original), _phases(one.slim)]


def _phases(taken: Taken) -> str:
    return f"{taken.pull:.1f} + {taken.start:.1f} + {taken.answer:.1f}"
