"""The time to the first answer, original against slim, as a section of the page."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence

from ..first_answer.results import FirstAnswer, Taken
from .document import Table

NOT_MEASURED = "Not measured yet: python -m evaluation first-answer does it."


def parts(answers: Sequence[FirstAnswer]) -> Iterator[str | Table]:
    """What the page says of `answers`."""
    if not answers:
        yield NOT_MEASURED
        return
    ratios = {one.name: one.ratio for one in answers if one.ratio is not None}
    if ratios:
        yield _sentence(answers[0], list(ratios.values()))
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
        [_row(one) for one in sorted(answers, key=lambda one: ratios.get(one.name, 2.0))],
    )


def _sentence(first: FirstAnswer, ratios: Sequence[float]) -> str:
    return (
        f"From docker pull to the answer to a health check, by an engine that has nothing yet ({first.engine}), from a "
        f"registry ({first.registry}) behind a link of {first.mbit:g} Mbit/s and {first.milliseconds:g} ms, layers "
        f"compressed by gzip: slim images take {statistics.mean(ratios):.1%} of the original's time in the mean of "
        f"{len(ratios)}, {statistics.median(ratios):.1%} in the median; the shortest {min(ratios):.1%}."
    )


def _row(one: FirstAnswer) -> list[str]:
    name = one.name if one.origin == "same" else f"{one.name} ({one.origin})"
    if one.original is None or one.slim is None or one.ratio is None:
        return [name, one.step, "", "", "failed", "", one.error[:160], "", ""]
    sizes = [f"{taken.bytes / 1e6:,.1f} MB" for taken in (one.original, one.slim)]
    times = [f"{taken.seconds:.1f} s" for taken in (one.original, one.slim)]
    return [name, one.step, *sizes, *times, f"{one.ratio:.0%}", _phases(one.original), _phases(one.slim)]


def _phases(taken: Taken) -> str:
    return f"{taken.pull:.1f} + {taken.start:.1f} + {taken.answer:.1f}"
