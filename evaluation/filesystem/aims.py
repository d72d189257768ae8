"""What the mounts are to reach, as times native, and whether they do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .results import Turn, mean_ratio, ratios
from .ways import DEFAULT, NATIVE
from .workloads import Part

DIRECT = "direct, writable"
KERNEL = "kernel, read-only"
_WITHIN = 1.5  # the paper counts the workloads below this
_NOT_OF_THE_TEN = "read a big file, warm"
_AIMS: Mapping[float, Sequence[str]] = {
    1.2: (
        "find, warm",
        "stat of all names",
        "git status",
        _NOT_OF_THE_TEN,
        "python start, warm",
        "read a big file, cold",
        "read a big file, backing warm",
        "write a big file",
        "write and sync a big file",
    ),
    2.0: ("find, cold",),
    4.0: ("create files", "unlink files", "rm -r"),
    6.0: ("untar", "cp -r", "grep -r"),
}

Ratios = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Aim:
    """What was to be reached, what was, and whether that is enough."""

    words: str
    bound: str
    found: str
    met: bool


def common_ratios(turns: Sequence[Turn]) -> dict[str, dict[str, float]]:
    """Of each of the 24 workloads, each way's time to the native one's."""
    return {**ratios(turns, Part.READ_ONLY, NATIVE), **ratios(turns, Part.WRITABLE, NATIVE)}


def aims(turns: Sequence[Turn]) -> list[Aim]:
    """All that was measured, the missed ones first."""
    common, disk = common_ratios(turns), ratios(turns, Part.DISK, NATIVE)
    found = [*_means(common), *_suite(disk), *_kernel(common), *_each(common)]
    return sorted(found, key=lambda aim: aim.met)


def _means(common: Ratios) -> list[Aim]:
    ten = [one for name, one in common.items() if DEFAULT in one and name != _NOT_OF_THE_TEN]
    wanted = [("direct, geometric mean of {}", common.values(), DIRECT, 1.6)]
    wanted += [("attach's default, read-only, geometric mean of {}", ten, DEFAULT, 1.3)]
    means = [(words, *mean_ratio(found, way), bound) for words, found, way, bound in wanted]
    return [_aim(words.format(count), mean, bound) for words, mean, count, bound in means if count]


def _suite(disk: Ratios) -> list[Aim]:
    ours = {name: one[DIRECT] for name, one in disk.items() if DIRECT in one}
    if not ours:
        return []
    within, worst = sum(ratio <= _WITHIN for ratio in ours.values()), max(ours, key=lambda name: ours[name])
    words = f"direct, workloads of the disk suite that take at most {_WITHIN} times native's time"
    count = Aim(words, "at least 18 of 20", f"{within} of {len(ours)}", within >= 18)
    return [count, _aim(f"direct, the worst of the disk suite, {worst}", ours[worst], 4.0)]


def _kernel(common: Ratios) -> list[Aim]:
    ours = {name: one[KERNEL] for name, one in common.items() if KERNEL in one}
    if not ours:
        return []
    worst = max(ours, key=lambda name: ours[name])
    return [_aim(f"kernel, the worst of {len(ours)}, {worst}", ours[worst], 1.1)]


def _each(common: Ratios) -> list[Aim]:
    return [
        _aim(f"direct, {name}", common[name][DIRECT], bound)
        for bound, names in _AIMS.items()
        for name in names
        if DIRECT in common.get(name, {})
    ]


def _aim(words: str, found: float, bound: float) -> Aim:
    return Aim(words, f"at most {bound}", f"{found:.2f}", round(found, 2) <= bound)


def within(turns: Sequence[Turn], bound: float = _WITHIN) -> tuple[int, int]:
    """How many workloads of the disk suite take less than `bound` times native's time by `direct`, and of how many."""
    ours = [one[DIRECT] for one in ratios(turns, Part.DISK, NATIVE).values() if DIRECT in one]
    return sum(ratio < bound for ratio in ours), len(ours)
