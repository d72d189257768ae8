"""What becomes of a claim of the paper."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Outcome(enum.StrEnum):
    """What became of a claim."""

    BEATEN = "beaten"
    REPRODUCED = "reproduced"
    NOT_REPRODUCED = "not reproduced"
    NOT_APPLICABLE = "not applicable"
    NOT_RUN = "not yet run"


@dataclass(frozen=True, slots=True)
class Verdict:
    """An outcome, and the figures or the reason for it."""

    outcome: Outcome
    words: str


def compared(ours: float, paper: float, words: str) -> Verdict:
    """More is better; one digit after the point, as the paper has it."""
    ours = round(ours, 1)
    if ours > paper:
        return Verdict(Outcome.BEATEN, words)
    return Verdict(Outcome.REPRODUCED if ours == paper else Outcome.NOT_REPRODUCED, words)
