"""The section on what fails: each step by name, with what it said, and the files that it lacks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ..judged import Lacking
from ..results import Result, Step
from .document import Table
from .numbers import Run, failed
from .words import first, named, size

_WORDS = (
    "What a step lacks are files that it opens of the original, and that the slim image does not have (python -m "
    "evaluation rules). Where it lacks none, another reason is to be looked for: time, above all."
)


def failures(run: Run, lacking: Sequence[Lacking]) -> Iterator[str | Table]:
    """All failed steps of a run."""
    known = {(one.image, one.run, one.step): one for one in lacking}
    broken = [[named(result), "", "no slim image", first(result.error), ""] for result in run if result.error]
    rows = [_row(result, step, asked, known) for result in run for step, asked in _failed(result)]
    if not rows and not broken:
        yield "Nothing."
        return
    images = len({row[0] for row in rows})
    yield f"{len(rows)} of {sum(len(result.steps) for result in run)} steps fail, in {images} images. {_WORDS}"
    yield Table(["image", "workload", "step", "what it said", "what it lacks"], [*broken, *rows])


def _failed(result: Result) -> Iterator[tuple[Step, bool]]:
    for asked in (True, False):
        yield from ((step, asked) for step in failed(result, asked=asked))


def _row(result: Result, step: Step, asked: bool, known: Mapping[tuple[str, str, str], Lacking]) -> list[str]:
    workload = f"{step.run}, asked while tracing" if asked else step.run
    lack = known.get((result.name, step.run, step.step))
    return [named(result), workload, first(step.step), first(step.detail), _told(lack) if lack else ""]


def _told(lack: Lacking) -> str:
    if not lack.sound:
        return "the original fails, too"
    if not lack.count:
        return "no file"
    more = f" and {lack.count - len(lack.files)} more" if lack.count > len(lack.files) else ""
    return f"{', '.join(lack.files)}{more} ({size(lack.bytes)})"
