"""``python -m evaluation prove``: whether what a rule is said to gain is lost without it, on a sample of images.

The image is slimmed again without the rule, is not repaired, and is asked everything once more.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import typer

from cntr_core.images.temporary import temporary_directory

from .ablation import Ablation
from .cache import Cache
from .children import Children
from .judged import ASKED, Judged
from .lines import read_lines, write_lines
from .machine import ROOT
from .manifest import Entry, entries
from .results import Step
from .rules_command import RULES
from .sources import Local
from .top50 import Evaluation, Way
from .work import interrupts, worked

PROOFS = os.path.join(ROOT, "evaluation/results/proofs.jsonl")


@dataclass(frozen=True, slots=True)
class Proof:
    """One rule left out of one image: the checks that it was said to gain, and those that passed with it and fail
    without it, each by its workload's name and its words."""

    image: str
    rule: str
    predicted: tuple[tuple[str, str], ...]
    lost: tuple[tuple[str, str], ...]

    @property
    def foreseen(self) -> bool:
        """Whether nothing was lost that was not predicted."""
        return set(self.lost) <= set(self.predicted)


def compared(one: Ablation, before: Sequence[Step], without: Sequence[Step]) -> Proof:
    """The proof of what `one` says; the same steps in the same order."""
    pairs = zip(before, without, strict=True)
    lost = tuple((old.run, old.step) for old, new in pairs if old.run not in ASKED and old.ok and not new.ok)
    return Proof(one.image, one.rule, one.gains, lost)


Pairs = Annotated[str, typer.Argument(metavar="DIR", help="Read the reports that top50 --keep-pairs left here.")]
Sample = Annotated[list[str], typer.Argument(metavar="RULE:IMAGE...", help="Leave out this rule of this image.")]
Rules = Annotated[str, typer.Option("--rules", metavar="FILE", help="Read what rules gain from this file.")]
Place = Annotated[str | None, typer.Option("--cache", metavar="DIR", help="Find images here; default: $CNTR_CORPUS.")]
Output = Annotated[str, typer.Option("--output", metavar="FILE", help="Write what was found to this file.")]


def prove(pairs: Pairs, sample: Sample, rules: Rules = RULES, cache: Place = None, output: Output = PROOFS) -> None:
    """Leave rules out of images, ask the slim images everything again, and compare with what rules are said to gain."""
    known = {f"{one.rule}:{one.image}": one for one in read_lines(rules, Ablation)}
    if missing := [name for name in sample if name not in known]:
        raise typer.BadParameter(f"{rules} has nothing of {missing[0]}")
    found = []
    with interrupts(), temporary_directory("cntr-prove-") as (directory, _):
        for name in sample:
            found.append(_proved(known[name], pairs, Cache(cache), directory))
            write_lines(output, found)
            typer.echo(_told(found[-1]))


def _proved(one: Ablation, pairs: str, cache: Cache, directory: str) -> Proof:
    (entry,) = entries([one.image])
    before = Judged.read(os.path.join(pairs, entry.name))
    return compared(one, before.steps, _steps(entry, one.rule, cache, directory))


def _steps(entry: Entry, rule: str, cache: Cache, directory: str) -> Sequence[Step]:
    children = Children()
    way = Way("broad", words=(f"--no-rule={rule}", "--no-verify"))
    evaluation = Evaluation(cache, Local(cache, children.run), way, children, directory, False)
    (result,) = worked([entry], evaluation.evaluate, children, 1, lambda _: None)
    if result.error:
        raise typer.BadParameter(f"{entry.name}: {result.error}")
    return result.steps


def _told(proof: Proof) -> str:
    words = f"{len(proof.lost)} of {len(proof.predicted)} checks are lost" if proof.predicted else "nothing was said"
    return f"{proof.rule}:{proof.image}: {words}" + ("" if proof.foreseen else f", and not foreseen: {proof.lost}")
