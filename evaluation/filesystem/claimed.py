"""What the paper says of its filesystem's speed, beside what was measured of ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..paper import PaperClaim
from ..verdict import Outcome, Verdict, compared
from .aims import DIRECT, within
from .levers import ALL_LEVERS, BY_MESSAGES
from .results import RESULTS, Turn, ratios, read_turns
from .ways import NATIVE
from .workloads import Part

_READ, _THREADS, _WRITE, _TREE = "IOzone read", "Threaded I/O read", "write a big file", "Compilebench read"
_NOT_BOTH = "the kernel excludes a writeback cache by passthrough"
_ONE = "one thread serves, for Python runs one at a time"

Judge = Callable[[PaperClaim, Sequence[Turn]], Verdict]


def _of_turns(judge: Judge) -> Callable[[PaperClaim, Any], Verdict]:
    """A judge of the committed turns."""

    def judged(claim: PaperClaim, _results: Any) -> Verdict:
        return judge(claim, read_turns(RESULTS))

    return judged


def _suite(turns: Sequence[Turn]) -> dict[str, float]:
    return {name: one[DIRECT] for name, one in ratios(turns, Part.DISK, NATIVE).items() if DIRECT in one}


@_of_turns
def overhead(claim: PaperClaim, turns: Sequence[Turn]) -> Verdict:
    """How many workloads of the disk suite are below 1.5; more is better."""
    good, every = within(turns)
    if every < 20:
        return Verdict(Outcome.NOT_RUN, f"results of {every} of 20 workloads")
    return compared(good, claim.value or 0.0, f"{good} of {every}, on ext4 in memory, which is faster than a disk")


@_of_turns
def worst(claim: PaperClaim, turns: Sequence[Turn]) -> Verdict:
    """The largest ratio; less is better."""
    found = _suite(turns)
    if not found:
        return Verdict(Outcome.NOT_RUN, "no result of the disk suite")
    name = max(found, key=lambda each: found[each])
    words = f"the worst, {name}, takes {found[name]:.1f} times as long, and {_TREE} {found.get(_TREE, 0.0):.1f} times"
    return compared(-found[name], -(claim.value or 0.0), words)


def _gain(turns: Sequence[Turn], workload: str, lever: str) -> float | None:
    """How many times as long it takes without the lever."""
    return ratios(turns, Part.LEVERS, ALL_LEVERS).get(workload, {}).get(f"without {lever}")


_NO_GAIN = Verdict(Outcome.NOT_RUN, "no results of the levers")


@_of_turns
def read_cache(claim: PaperClaim, turns: Sequence[Turn]) -> Verdict:
    """Without passthrough, by which reads are those of the file below, in its own cache."""
    gain = _gain(turns, _THREADS, BY_MESSAGES)
    if gain is None:
        return _NO_GAIN
    return compared(
        gain, claim.value or 0.0, f"passthrough, in its place, makes threaded reads {gain:.1f} times as fast"
    )


@_of_turns
def writeback(_claim: PaperClaim, turns: Sequence[Turn]) -> Verdict:
    """The kernel has one of the two (process_init_reply() in fs/fuse/inode.c)."""
    return _instead(
        _gain(turns, _WRITE, BY_MESSAGES), "writes", "the kernel refuses a writeback cache with passthrough"
    )


@_of_turns
def splice(_claim: PaperClaim, turns: Sequence[Turn]) -> Verdict:
    """What does not pass through the server need not be moved by it."""
    return _instead(_gain(turns, _READ, BY_MESSAGES), "reads", "contents do not pass through the server")


def _instead(gain: float | None, what: str, reason: str) -> Verdict:
    if gain is None:
        return _NO_GAIN
    words = f"{reason}; that makes sequential {what} {100 * (gain - 1):.0f} % faster than by messages"
    return Verdict(Outcome.NOT_APPLICABLE, words)


@_of_turns
def parallel_directories(claim: PaperClaim, turns: Sequence[Turn]) -> Verdict:
    """The kernel is told that it may ask for several names of a directory at once."""
    gain = _gain(turns, _TREE, "parallel directories")
    if gain is None:
        return _NO_GAIN
    return compared(gain, claim.value or 0.0, f"they make it {gain:.1f} times as fast: {_ONE}, and so does the reader")


@_of_turns
def threads(_claim: PaperClaim, turns: Sequence[Turn]) -> Verdict:
    """What many clients at once take by one thread."""
    found = [f"{name} clients {ratio:.1f}" for name, ratio in _suite(turns).items() if name.startswith("Dbench")]
    if not found:
        return Verdict(Outcome.NOT_RUN, "no result of the disk suite")
    return Verdict(Outcome.NOT_APPLICABLE, f"{_ONE}; times native: {', '.join(found)}")


def batched_forgets(_claim: PaperClaim, results: Mapping[str, Any]) -> Verdict:
    """The messages by which the kernel forgets a tree."""
    counts = results["messages"]["forget a tree"]
    batches, single = counts.get("BATCH_FORGET", 0), counts.get("FORGET", 0)
    words = f"the kernel sends batches where many wait: {batches}, and {single} single ones, for one tree"
    return Verdict(Outcome.REPRODUCED if batches else Outcome.NOT_REPRODUCED, words)
