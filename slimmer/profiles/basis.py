"""What a profile is based on, as lines that stand in it and in the report."""

from __future__ import annotations

import os
from collections.abc import Sequence

from cntr_core.version import version

from ..probes.spec import Probe
from ..report.text import words
from ..runs.runner import Runner


def basis(runner: Runner, probes: Sequence[Probe]) -> list[str]:
    """On which image, by whom and where, in how many runs of which phases, and by which probes."""
    system, runs = os.uname(), f"{runner.ended} run{'s' * (runner.ended != 1)}"
    return [
        f"made by cntr {version()} of the image {words(runner.image.reference)}, configuration {runner.digest}",
        f"seen in {runs} on Linux {system.release}, {system.machine}, each from the start of the first "
        "program to the end of the last, with the probes and the stop signal between",
        *(f"probe: {words(str(probe))}" for probe in probes),
    ]
