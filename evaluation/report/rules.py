"""The section on rules and profiles: what each costs, and what it gains."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from cntr_core.rules import Profile

from ..ablation import Ablation, Sum, sums
from ..proof import Proof
from ..results import Result
from .document import Table
from .numbers import Run, numbers, reduction
from .words import first, passed, percent, short, size, way

_ALONE = (
    "Measured by leaving out one rule at a time (python -m evaluation rules). The cost is what the rule alone keeps: "
    "what is kept for the sake of its files counts, what another rule keeps, too, does not. The gain is the number of "
    "checks that pass and open one of these files. Rules of the careful profile are added to the balanced one instead; "
    "they would gain failed checks that lack nothing else. Not all of a gain is lost without the rule: a program may "
    "open a file and do without it."
)
_FIRST = (
    "What a rule keeps is counted for the first rule that keeps it; the trace comes first. The gain of each is not "
    "measured yet: python -m evaluation rules does it."
)


def rules(runs: Sequence[Run], measured: Sequence[Ablation], proofs: Sequence[Proof]) -> Iterator[str | Table]:
    """What each rule costs and gains, whether that holds, then each profile."""
    if measured:
        yield _ALONE
        yield _alone(measured)
        yield from _proved(proofs) if proofs else ()
    else:
        yield _FIRST
        yield _kept(runs[0])
    yield from _profiles(runs)


def _alone(measured: Sequence[Ablation]) -> Table:
    images = len({one.image for one in measured})
    order = list(Profile)
    found = sorted(sums(measured, images), key=lambda one: order.index(Profile(one.profile)))
    return Table(
        [f"rule, of {images} images", "profile", "images", "files", "bytes", "of an image", "checks", "MB a check"],
        list(map(_row, found)),
    )


def _row(one: Sum) -> list[str]:
    price = f"{one.bytes / 1e6 / one.steps:,.2f}" if one.steps else "no gain"
    figures = (str(one.images), str(one.files), size(one.bytes), f"{100 * one.share:.2f} %", str(one.steps), price)
    return [one.rule, one.profile, *figures]


def _proved(proofs: Sequence[Proof]) -> Iterator[str | Table]:
    predicted, lost = (sum(len(one.predicted) for one in proofs), sum(len(one.lost) for one in proofs))
    foreseen = sum(one.foreseen for one in proofs)
    yield (
        f"Tried on {len(proofs)} pairs of a rule and an image (python -m evaluation prove): slimmed without the rule, "
        f"and asked everything again, they lose {lost} checks, where {predicted} were said to be gained; {foreseen} of "
        f"{len(proofs)} lose nothing else (a program that ends at the first loss loses all that follows)."
    )
    rows = [[one.rule, one.image, str(len(one.predicted)), str(len(one.lost)), _steps(one)] for one in proofs]
    yield Table(["left out", "image", "said to gain", "lost", "the checks that are lost"], rows)


def _steps(proof: Proof) -> str:
    return "; ".join(first(step) for _, step in proof.lost)


def _kept(run: Run) -> Table:
    kept: Mapping[str, list[tuple[int, int]]] = {
        name: [(one.rules[name].files, one.rules[name].bytes) for one in run if name in one.rules]
        for name in sorted({rule for one in run for rule in one.rules})
    }
    original = sum(one.bytes.original for one in run)
    costs = {name: sum(bytes for _, bytes in found) for name, found in kept.items()}
    rows = [
        [
            name,
            str(len(found)),
            str(sum(files for files, _ in found)),
            size(costs[name]),
            percent(costs[name] / original if original else 0.0),
        ]
        for name, found in sorted(kept.items(), key=lambda item: -costs[item[0]])
    ]
    return Table(["rule", "images", "files", "kept", "of the original bytes"], rows)


def _profiles(runs: Sequence[Run]) -> Iterator[Table]:
    """What each way to slim costs and gains, for the images that all runs have, and then for each of these."""
    names = set.intersection(*({result.name for result in run} for run in runs))
    rows = []
    for run in runs:
        found = numbers([result for result in run if result.name in names] or run)
        rows.append([way(run), percent(found.mean), f"{found.whole} of {found.images}", passed(found.checks)])
    yield Table([f"{len(names)} images", "less", "pass all checks", "checks passed"], rows)
    if len(runs) > 1:
        by_name = [{result.name: result for result in run} for run in runs]
        shown = [[_cell(results[name]) for results in by_name] for name in sorted(names)]
        rows = [[name, *cells] for name, cells in zip(sorted(names), shown, strict=True)]
        yield Table(["less, and checks that fail", *map(short, runs)], rows)


def _cell(result: Result) -> str:
    if result.error:
        return "no slim image"
    good, every = result.checks()
    return percent(reduction(result)) + (f", {every - good} fail" if every > good else "")
