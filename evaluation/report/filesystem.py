"""The page of the filesystem's benchmarks, made of the committed results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..filesystem.aims import DIRECT, aims, common_ratios
from ..filesystem.disk_suite import PAPER
from ..filesystem.levers import ALL_LEVERS
from ..filesystem.results import Turn, mean_ratio, medians, ratios
from ..filesystem.ways import NATIVE, PEER
from ..filesystem.workloads import Part
from .document import Document, Figure, Section, Table
from .plot import ratio_bars
from .verdicts import verdicts

NAME = "filesystem.md"
_TITLE = "What the filesystem costs"
_NOT_RUN = "No results are committed yet: python -m evaluation filesystem makes them."
_STATES = (
    "Times native: 1.00 is what the ext4 below takes. Before each workload the mount is new. Cold: nothing is in the "
    "kernel's caches. Backing warm: the files below were used just now, not through this mount. Warm: the same was "
    "done through the mount once, more than a second ago."
)
_LEVERS = (
    "How many times as long it takes when one lever of the policy is switched off, by direct. Each gains where its "
    "figure is above 1; a tenth more or less is noise."
)


def filesystem_pages(turns: Sequence[Turn]) -> Mapping[str, str]:
    """The files of the page by their names."""
    made = _document(turns) if turns else Document(_TITLE, _NOT_RUN, [])
    return {NAME: made.markdown(), **{figure.file: figure.svg for figure in made.figures()}}


def _document(turns: Sequence[Turn]) -> Document:
    note = (
        f"Made by python -m evaluation report from the committed results of python -m evaluation filesystem. {_STATES}"
    )
    sections = [_verdicts(turns), _workloads(turns), _suite(turns), _levers(turns), _how(turns)]
    return Document(_TITLE, note, sections)


def _verdicts(turns: Sequence[Turn]) -> Section:
    rows = [(aim.words, aim.bound, aim.found, aim.met) for aim in aims(turns)]
    return Section("Verdicts", [*verdicts("aim, as times native", rows), _picture(turns)])


def _picture(turns: Sequence[Turn]) -> Figure:
    found = {**common_ratios(turns), **ratios(turns, Part.DISK, NATIVE)}
    rows = [(name, one[DIRECT], one.get(PEER)) for name, one in found.items() if DIRECT in one]
    title = f"Times native, by direct (dark) and by {PEER} (light)"
    return Figure(ratio_bars(sorted(rows, key=lambda row: row[1]), title), "filesystem-ratios.svg", title)


def _workloads(turns: Sequence[Turn]) -> Section:
    common = common_ratios(turns)
    names = _ways(common)
    rows = [_row(turns, name, one, names) for name, one in common.items()]
    rows.append(["geometric mean of all", "", "", *(_mean(common, way) for way in names)])
    return Section("24 workloads", [Table(["workload", "state", "native", *names], rows)])


def _row(turns: Sequence[Turn], name: str, one: Mapping[str, float], names: Sequence[str]) -> list[str]:
    turn = next(turn for turn in turns if turn.workload == name and turn.part in (Part.READ_ONLY, Part.WRITABLE))
    native = medians((turn for turn in turns if turn.part != Part.LEVERS), name)[NATIVE]
    by = f"{name} ({turn.by})" if turn.by and turn.by != name else name
    return [by, turn.state, _took(native, turn.by), *_cells(one, names)]


def _cells(one: Mapping[str, float], names: Sequence[str]) -> list[str]:
    return [f"{one[way]:.2f}" if way in one else "" for way in names]


def _took(seconds: float, by: str) -> str:
    """A time; a rate is told of fio alone, which has its own clock."""
    return f"{1 / seconds:.0f} MB/s" if by == "fio" else f"{1000 * seconds:.1f} ms"


def _ways(found: Mapping[str, Mapping[str, float]]) -> list[str]:
    known = dict.fromkeys(way for one in found.values() for way in one)
    return sorted(known, key=lambda name: (name == PEER, "writable" in name, name))


def _mean(found: Mapping[str, Mapping[str, float]], way: str) -> str:
    mean, count = mean_ratio(found.values(), way)
    return f"{mean:.2f} ({count})"


def _suite(turns: Sequence[Turn]) -> Section:
    found = ratios(turns, Part.DISK, NATIVE)
    names = _ways(found)
    by = {turn.workload: turn.by for turn in turns if turn.part == Part.DISK}
    rows = [
        [
            name,
            by[name],
            f"{PAPER[name]:.1f}" if name in PAPER else "",
            *_cells(one, names),
        ]
        for name, one in found.items()
    ]
    rows.append(["geometric mean of all", "", "", *(_mean(found, way) for way in names)])
    words = (
        "The paper's 20 workloads are those of the Phoronix disk suite, on ext4 over a cloud's SSD; its figures are "
        "remembered, not checked against the text, and where none stands, none is: 13 of the 20 are below 1.5. Ours "
        "run by the same program where Debian has it, on another machine."
    )
    return Section("The paper's disk suite", [words, Table(["workload", "by", "paper", *names], rows)])


def _levers(turns: Sequence[Turn]) -> Section:
    found = ratios(turns, Part.LEVERS, ALL_LEVERS)
    names = list(dict.fromkeys(way for one in found.values() for way in one))
    rows = [[name, *_cells(one, names)] for name, one in found.items()]
    return Section("Levers", [_LEVERS, Table(["workload", *names], rows)])


def _how(turns: Sequence[Turn]) -> Section:
    last = turns[-1]
    machine, rounds = last.machine, 1 + max(turn.round for turn in turns)
    loads = sorted(turn.load for turn in turns)
    words = (
        f"{machine.host}, Linux {machine.kernel}, {machine.cpus} CPUs, {machine.memory / 1e9:.0f} GB; the ground is "
        f"{last.ground}. Medians of {rounds} rounds, in which the ways take turns; size {last.size}. The load of "
        f"the machine was {loads[0]:.1f} to {loads[-1]:.1f}, {loads[len(loads) // 2]:.1f} in the median. Code "
        f"{', '.join(dict.fromkeys(turn.machine.code for turn in turns))}, last at {last.started}."
    )
    missing = dict.fromkeys((turn.workload, way, why) for turn in turns for way, why in turn.missing.items())
    rows = [list(one) for one in missing]
    parts: list[str | Table | Figure] = [words]
    parts += [Table(["not run", "by", "why"], rows)] if rows else ["All workloads ran by all ways."]
    return Section("How it was measured", parts)
