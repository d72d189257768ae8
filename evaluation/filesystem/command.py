"""``python -m evaluation filesystem``: its options, and the order of the work."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Annotated

import typer
from cntr_slimmer.runs.embedded import become_private

from ..lines import replaced
from ..machine import machine
from .disk_suite import DISK
from .ground import FULL, QUICK, Ground, Size, ground
from .levers import LEVERS, lever_ways
from .measure import lacking, turn
from .results import RESULTS, Turn, mean_ratio, ratios, read_turns, write_turns
from .ways import NATIVE, PEER, Way, ways
from .workloads import COMMON, Part, Workload

ALL = (*COMMON, *DISK, *LEVERS)
_EVERY = "every way"
_SUITE_WAYS = (NATIVE, "direct, writable", "pyfuse3, writable", PEER)

Only = Annotated[
    list[str] | None,
    typer.Option(metavar="WORDS", help="Measure workloads with these words in part or name alone. Repeatable."),
]
Ways = Annotated[
    list[str] | None, typer.Option("--way", metavar="WORDS", help="Take ways with these words alone. Repeatable.")
]
Rounds = Annotated[int, typer.Option(min=1, help="Measure each this many times; what counts are the medians.")]
Quick = Annotated[bool, typer.Option("--quick", help="Do little of each, once: to see that all works.")]
Resume = Annotated[bool, typer.Option("--resume", help="Leave out rounds that this code has measured already.")]
Results = Annotated[str, typer.Option(metavar="FILE", help="Write what was measured here.")]
Peer = Annotated[
    str | None, typer.Option("--peer", metavar="passthrough_hp=PATH", help="Measure libfuse's example, too.")
]


def filesystem(
    only: Only = None,
    way: Ways = None,
    rounds: Rounds = 3,
    quick: Quick = False,
    resume: Resume = False,
    results: Results = RESULTS,
    peer: Peer = None,
) -> None:
    """Measure what our mounts cost beside the filesystem below them, by the backends, and by a peer.

    Needs root. What lacks a program is not run. Exit code: 0 where all others worked; 1 where one failed.
    """
    size = QUICK if quick else FULL
    program = _program(peer)
    wanted = [one for one in ALL if _matches(f"{one.part} {one.name}", only) and not (quick and one.long)]
    become_private()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # nothing is left behind then either
    common = [one for one in ways(program) if _matches(one.name, [*way, NATIVE] if way else None)]
    done = read_turns(results) if resume else []
    with ground(size) as place:
        for number in range(1 if quick else rounds):
            for workload in wanted:
                if (old := _same(done, workload, number, size)) is None:
                    found = _turn(workload, number, common, place)
                    done = replaced(done, found)
                    write_turns(results, done)
                    _tell(found)
                else:
                    _tell(old)
    typer.echo(summary(done))
    raise typer.Exit(int(any(set(one.missing) - {_EVERY} for one in done)))


def _program(peer: str | None) -> str | None:
    if peer is None:
        return None
    name, equals, path = peer.partition("=")
    if name != PEER or not equals or not os.access(path, os.X_OK):
        raise typer.BadParameter(f"{peer} is not {PEER}=PATH of a program")
    return path


def _matches(text: str, words: Sequence[str] | None) -> bool:
    return not words or any(word.lower() in text.lower() for word in words)


def _same(turns: Iterable[Turn], workload: Workload, number: int, size: Size) -> Turn | None:
    """What was measured already, by this code and as much of it."""
    key = (workload.part, workload.name, number)
    found = (one for one in turns if one.key == key and one.size == size.name and one.machine.code == machine().code)
    return next(found, None)


def _turn(workload: Workload, number: int, common: Sequence[Way], place: Ground) -> Turn:
    """Measured, or with the reason why not."""
    why = lacking(workload)
    chosen = [] if why else _ways(workload, common)
    found = turn(workload, number, chosen, place)
    return replace(found, missing={_EVERY: why}) if why else found


def _ways(workload: Workload, common: Sequence[Way]) -> list[Way]:
    if workload.part is Part.DISK:
        return [way for way in common if way.name in _SUITE_WAYS]
    return lever_ways(workload) if workload.part is Part.LEVERS else list(common)


def _tell(found: Turn) -> None:
    base = next(iter(sorted(found.seconds, key=lambda name: name != NATIVE)), "")
    words = [f"{name} {seconds / found.seconds[base]:.2f}" for name, seconds in found.seconds.items() if name != base]
    words += [f"{name}: not run: {why}" for name, why in found.missing.items()]
    head = f"{found.round + 1} {found.part}: {found.workload}"
    first = f" {found.seconds[base]:.4g} s" if base else ""
    print(f"{head}:{first} {'; '.join(words)}", file=sys.stderr, flush=True)


def summary(turns: Sequence[Turn]) -> str:
    """The geometric means, a line for each way."""
    lines = []
    for title, parts in (("all", (Part.READ_ONLY, Part.WRITABLE)), ("disk suite", (Part.DISK,))):
        found = [one for part in parts for one in ratios(turns, part, NATIVE).values()]
        for way in dict.fromkeys(name for one in found for name in one):
            mean, count = mean_ratio(found, way)
            lines.append(f"{title}, {way}: {mean:.2f}x native in the geometric mean of {count}")
    return "\n".join(lines)
