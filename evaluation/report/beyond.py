"""The section on what goes beyond the fifty: groups of images with means and aims of their own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ..groups import Group
from ..pages import Bound
from ..results import Result
from . import attack_surface
from .document import Table
from .numbers import Run, failed, numbers, reduction
from .words import first, passed, percent, size

_GROUPS = {
    Group.ML: ("Inference behind HTTP", 0.70),
    Group.FUNCTIONS: ("Functions behind a runtime's server", 0.85),
}
"""What a group is called, and the mean reduction that it is to reach."""
_WORDS = (
    "Kinds of images that the paper has not: they are in no other figure of this page. Most bytes of a framework for "
    "machine learning are a few shared libraries, which every run maps; how much smaller an image could be that had no "
    "page that was not read (by pages) stands beside."
)


def beyond_the_fifty(runs: Sequence[Run], bounds: Mapping[str, Bound]) -> Iterator[str | Table]:
    """The groups' figures, then each group's images, and what fails."""
    yield _WORDS
    yield Table(
        ["group", "images", "mean reduction", "aim", "pass all checks", "checks passed", "join"],
        list(map(_means, runs)),
    )
    for run in runs:
        yield Table(
            [
                _GROUPS[run[0].group][0],
                "made of",
                "less",
                "by pages",
                "original",
                "slim",
                "checks",
                "largest file left",
            ],
            [_image(result, bounds) for result in sorted(run, key=lambda one: one.name)],
        )
        yield from attack_surface.tables(run)
    if failures := [row for run in runs for result in run for row in _failures(result)]:
        yield Table(["image", "step", "reason"], failures)


def _means(run: Run) -> list[str]:
    name, aim = _GROUPS[run[0].group]
    found = numbers(run)
    whole, joined = (f"{count} of {found.images}" for count in (found.whole, found.joined))
    return [name, str(found.images), percent(found.mean), percent(aim), whole, passed(found.checks), joined]


def _image(result: Result, bounds: Mapping[str, Bound]) -> list[str]:
    if result.error:
        return [result.name, result.software, "failed", "", size(result.bytes.original), "", "", first(result.error)]
    bound = bounds.get(result.name)
    read = percent(1 - bound.touched.pages / result.bytes.original) if bound else ""
    sizes = (size(result.bytes.original), size(result.bytes.slim))
    largest = f"{result.largest[0].path} ({size(result.largest[0].bytes)})" if result.largest else ""
    good, every = result.checks()
    return [result.name, result.software, percent(reduction(result)), read, *sizes, f"{good} of {every}", largest]


def _failures(result: Result) -> Iterator[list[str]]:
    for step in (*failed(result, asked=True), *failed(result, asked=False)):
        yield [result.name, first(step.step), first(step.detail)]
