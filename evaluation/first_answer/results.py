"""What was found of each image: values, and a file with a line of JSON for each."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

from ..lines import read_lines, write_lines
from ..machine import ROOT
from ..results import Machine

RESULTS = os.path.join(ROOT, "evaluation/results/first_answer.jsonl")


@dataclass(frozen=True, slots=True)
class Taken:
    """From an empty store to the first answer: `bytes` of compressed layers, and the seconds of the pull, of the
    start, and from then to the answer."""

    bytes: int
    pull: float
    start: float
    answer: float

    @property
    def seconds(self) -> float:
        """All of it."""
        return self.pull + self.start + self.answer


@dataclass(frozen=True, slots=True)
class FirstAnswer:
    """One image. `step` is what was asked, `digests` those of the manifests of the original and the slim image,
    `engine` and `registry` versions, `load` the machine's load average at the start: others compete for processors and
    disk. `error` says why one of both is missing."""

    name: str
    kind: str
    origin: str
    step: str
    mbit: float
    milliseconds: float
    machine: Machine
    started: str
    digests: tuple[str, str] = ("", "")
    engine: str = ""
    registry: str = ""
    load: float | None = None
    original: Taken | None = None
    slim: Taken | None = None
    error: str = ""

    @property
    def ratio(self) -> float | None:
        """The slim image's time as a share of the original's; None where one of both is missing."""
        return self.slim.seconds / self.original.seconds if self.slim and self.original else None


def read_answers(path: str) -> list[FirstAnswer]:
    """The results in a file, in its order; none where there is no file."""
    return read_lines(path, FirstAnswer)


def write_answers(path: str, answers: Iterable[FirstAnswer]) -> None:
    """Write them at once, in the order of their names: whoever is interrupted leaves the old file."""
    write_lines(path, sorted(answers, key=lambda one: one.name))
