"""The figures of a run: what the paper reports, and what it does not."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from ..results import Result, Step

LOW, HIGH, LITTLE = 0.60, 0.97, 0.10
"""The paper's limits: most images shrink by `LOW` to `HIGH`, a few by less than `LITTLE`."""

Run = Sequence[Result]
"""The results of one way to slim, with at least one image."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """Of one run. Shares are from 0 to 1; an image that failed counts as one that does not shrink. `same` is the mean
    of those whose software is the official image's own. `checks` are steps that were not asked while tracing: those
    that passed, and all; `whole` is how many images passed all of them."""

    images: int
    slimmed: int
    mean: float
    same: float
    median: float
    within: float
    little: int
    asked: int
    whole: int
    checks: tuple[int, int]
    joined: int
    bytes: tuple[int, int]


def numbers(results: Sequence[Result]) -> Numbers:
    """The figures of the results of one run, of which there is at least one."""
    reductions = [reduction(result) for result in results]
    checks = [result.checks() for result in results]
    return Numbers(
        images=len(results),
        slimmed=sum(not result.error for result in results),
        mean=statistics.mean(reductions),
        same=statistics.mean([reduction(one) for one in results if one.origin == "same"] or [0.0]),
        median=statistics.median(reductions),
        within=sum(LOW <= one <= HIGH for one in reductions) / len(reductions),
        little=sum(one < LITTLE for one in reductions),
        asked=sum(not result.error and not failed(result, asked=True) for result in results),
        whole=sum(not result.error and not failed(result, asked=False) for result in results),
        checks=(sum(passed for passed, _ in checks), sum(every for _, every in checks)),
        joined=sum(result.joined and not result.differences for result in results),
        bytes=(sum(result.bytes.original for result in results), sum(result.bytes.slim for result in results)),
    )


def reduction(result: Result) -> float:
    """By how much the image shrank, as a share of its bytes; 0 where it could not be slimmed."""
    return 0.0 if result.error else result.reduction


def failed(result: Result, *, asked: bool) -> list[Step]:
    """The steps that failed on the slim image, among those that were asked while tracing, or among the others."""
    runs = {"minimal"} if result.probe == "minimal" else {"minimal", "broad"}
    return [step for step in result.steps if not step.ok and (step.run in runs) == asked]
