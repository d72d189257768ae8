"""What is measured beside the runs that the page shows, each from a file of its own; all of it may be missing."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from ..ablation import Ablation
from ..judged import Lacking
from ..lines import read_lines
from ..proof import Proof
from ..results import Result


@dataclass(frozen=True, slots=True)
class Measured:
    """`rules` are what rules cost and gain, `lacking` what failed steps lack (``evaluation rules``), `proofs` what was
    lost where a rule was left out (``evaluation prove``), and `again` the results of a second run in the way of the one
    that counts."""

    rules: Sequence[Ablation] = ()
    lacking: Sequence[Lacking] = ()
    proofs: Sequence[Proof] = ()
    again: Sequence[Result] = ()


NOTHING = Measured()


def read_measured(directory: str) -> Measured:
    """What the files of `directory` hold."""
    return Measured(
        rules=read_lines(os.path.join(directory, "rules.jsonl"), Ablation),
        lacking=read_lines(os.path.join(directory, "lacking.jsonl"), Lacking),
        proofs=read_lines(os.path.join(directory, "proofs.jsonl"), Proof),
        again=read_lines(os.path.join(directory, "again.jsonl"), Result),
    )
