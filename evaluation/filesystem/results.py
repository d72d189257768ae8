"""What was measured, a line of JSON for each workload in each round, and what follows from it."""

from __future__ import annotations

import os
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..lines import read_lines, write_lines
from ..machine import ROOT
from ..results import Machine

RESULTS = os.path.join(ROOT, "evaluation/results/filesystem.jsonl")


@dataclass(frozen=True, slots=True)
class Turn:
    """One workload in one round, by all ways one after the other: `seconds` each took by its name, or for a rate, what
    one unit of it took. `missing` says of others why they did not run. `load` is the machine's at the end."""

    workload: str
    part: str
    state: str
    by: str
    size: str
    round: int
    ground: str
    machine: Machine
    load: float
    started: str
    seconds: Mapping[str, float]
    missing: Mapping[str, str]

    @property
    def key(self) -> tuple[str, str, int]:
        """What tells it from the others of a file."""
        return self.part, self.workload, self.round


def read_turns(path: str) -> list[Turn]:
    """The turns of a file; none where there is no file.

    :raises msgspec.ValidationError: a line is no turn.
    """
    return read_lines(path, Turn)


def write_turns(path: str, turns: Iterable[Turn]) -> None:
    """Write a file of turns at once."""
    write_lines(path, turns)


def medians(turns: Iterable[Turn], workload: str) -> dict[str, float]:
    """The median seconds of each way over the rounds of one workload."""
    found: dict[str, list[float]] = {}
    for turn in turns:
        if turn.workload == workload:
            for way, seconds in turn.seconds.items():
                found.setdefault(way, []).append(seconds)
    return {way: statistics.median(each) for way, each in found.items()}


def ratios(turns: Sequence[Turn], part: str, base: str) -> dict[str, dict[str, float]]:
    """Of each workload of a part, by its name, each way's median to that of the way `base`."""
    found: dict[str, dict[str, float]] = {}
    for workload in dict.fromkeys(turn.workload for turn in turns if turn.part == part):
        middle = medians((turn for turn in turns if turn.part == part), workload)
        if middle.get(base):
            found[workload] = {way: seconds / middle[base] for way, seconds in middle.items() if way != base}
    return found


def mean_ratio(found: Iterable[Mapping[str, float]], way: str) -> tuple[float, int]:
    """The geometric mean of a way's ratios, and of how many; 0 where there is none."""
    values = [one[way] for one in found if way in one]
    return (statistics.geometric_mean(values) if values else 0.0), len(values)
