"""Peers that were measured in the same run, beside cntr."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from ..results import PeerResult, Result
from .document import Table
from .numbers import Run, reduction
from .words import first, named, passed, percent

_WORDS = (
    "Other programs' slim images of the same images, driven by the same workloads instead of HTTP probes of their own, "
    "and judged by the same steps. They know one way to start an image; cntr traces others, too, and merges that."
)


def parts(run: Run) -> Iterator[str | Table]:
    """What the page says of them; nothing where there are none."""
    names = sorted({name for result in run for name in result.peers})
    measured = [result for result in run if result.peers]
    if not measured:
        return
    yield _WORDS
    yield Table(
        ["of these images", "images", "mean reduction", "pass all checks", "checks passed", "version"],
        [_sums("cntr", measured, [_own(result) for result in measured])]
        + [
            _sums(name, measured, [result.peers.get(name, PeerResult(error="not run")) for result in measured])
            for name in names
        ],
    )
    columns = [f"{name}, {what}" for name in ("cntr", *names) for what in ("less", "checks")]
    yield Table(["image", *columns], [_row(result, names) for result in sorted(measured, key=lambda one: one.name)])


def _own(result: Result) -> PeerResult:
    """cntr's own result, as that of a peer."""
    return PeerResult(result.machine.cntr, result.bytes.slim, reduction(result), 0.0, result.steps, result.error)


def _sums(name: str, run: Run, found: list[PeerResult]) -> list[str]:
    checks = [result.checks_of(one.steps) for result, one in zip(run, found, strict=True)]
    whole = sum(not one.error and good == every for one, (good, every) in zip(found, checks, strict=True))
    sums = (sum(good for good, _ in checks), sum(result.checks()[1] for result in run))
    mean = statistics.mean(0.0 if one.error else one.reduction for one in found)
    version = next((one.version for one in found if one.version), "")
    return [name, str(len(found)), percent(mean), f"{whole} of {len(found)}", passed(sums), version]


def _row(result: Result, names: list[str]) -> list[str]:
    cells = [named(result)]
    for one in (_own(result), *(result.peers.get(name, PeerResult(error="not run")) for name in names)):
        good, every = result.checks_of(one.steps)
        cells += [f"failed: {first(one.error)}", ""] if one.error else [percent(one.reduction), f"{good} of {every}"]
    return cells
