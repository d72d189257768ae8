"""What a pipeline is told of a report: the probes, the verification and each gate, as cases that pass or fail."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from .schema import Report


class Case(NamedTuple):
    """One of them: its name, what is wrong, empty where nothing is, and the seconds that it took."""

    name: str
    trouble: str
    seconds: float = 0.0


def cases(report: Report) -> Iterator[Case]:
    """All cases, in the order in which they were tried."""
    for outcome in report.probes.slim:
        yield Case(f"probe {outcome['spec']}", "" if outcome["ok"] else outcome["detail"], outcome["seconds"])
    yield Case("the slim image does what the original does", report.trouble)
    for gate in report.gates:
        yield Case(gate.name, "" if gate.passed else f"{gate.found}, wanted {gate.wanted}")
