"""A slim image in a directory of pairs, as it was judged, and what its failed steps lack."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec
from cntr_slimmer.report.schema import File, Report

from cntr_core.rules import Profile

from .results import Step
from .uses import Use

ASKED = ("minimal", "broad")
"""The workloads that drive traces, or may; all others are checks."""
_FIRST = 4


@dataclass(frozen=True, slots=True)
class Judged:
    """A slim image that ``top50 --keep-pairs`` left: its report, and how its steps went."""

    report: Report
    steps: tuple[Step, ...]

    @classmethod
    def read(cls, place: str) -> Judged:
        """What is in the directory `place`.

        :raises OSError: it was not slimmed, or not judged.
        :raises CntrError: the report is of another version.
        """
        with open(os.path.join(place, "report/report.json"), "rb") as file:
            report = Report.from_json(json.load(file))
        with open(os.path.join(place, "judged"), encoding="utf-8") as file:
            lines = [json.loads(line) for line in file]
        return cls(report, tuple(msgspec.convert(line["step"], Step) for line in lines if "step" in line))

    @property
    def profile(self) -> Profile:
        """The one that it was slimmed with."""
        return Profile(self.report.profile)


@dataclass(frozen=True, slots=True)
class Lack:
    """A step that failed on the slim image, and what it lacks: files that it opens of the original, and those whose
    attributes alone it asks for. `start` are those that the start of its container opens. `sound` says whether the
    original passes the step."""

    step: Step
    sound: bool
    opened: tuple[File, ...]
    seen: tuple[File, ...]
    start: tuple[File, ...]


def lacks(judged: Judged, uses: Sequence[Use]) -> Iterator[Lack]:
    """What each failed step lacks; `uses` are those of the same steps, in the same order."""
    gone = {file.path: file for file in judged.report.files if file.counts and not file.kept}
    start: tuple[File, ...] = ()
    for step, use in zip(judged.steps, uses, strict=True):
        opened, seen = (tuple(gone[path] for path in paths if path in gone) for paths in (use.opened, use.seen))
        start = opened if use.starts else start
        if not step.ok:
            yield Lack(step, use.ok, opened, seen, () if use.starts else start)


@dataclass(frozen=True, slots=True)
class Lacking:
    """A :class:`Lack` for results: `files` are the first that the step or the start of its container opens, programs
    before others; `count` and `bytes` are those of all."""

    image: str
    run: str
    step: str
    sound: bool
    files: tuple[str, ...]
    count: int
    bytes: int


def lacking(image: str, lack: Lack) -> Lacking:
    """The lack of a step of `image` in short."""
    found = {file.path: file for file in (*lack.start, *lack.opened)}
    paths = sorted(found, key=lambda path: (not path.rpartition("/")[0].endswith("bin"), path))
    size = sum(file.bytes for file in found.values())
    return Lacking(image, lack.step.run, lack.step.step, lack.sound, tuple(paths[:_FIRST]), len(found), size)
