"""The page of what a session and an observer cost: how fast they start, what memory they take, and the long load."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

from .document import Document, Section, Table
from .verdicts import Judgement, verdicts

NAME = "session.md"
_TITLE = "What a session costs"
_NOTE = (
    "Made by python -m evaluation report from the committed results of four experiments: attach_latency, "
    "filesystem_memory, slim_tracing and soak, in evaluation/experiments. Times are those of whole processes."
)
_NOTHING = "No results are committed yet."
_MOST, _KEPT = 150.0, 60.0
"""MB that a server may take for a million paths, and after the kernel has forgotten them."""
_TRACED = {"stat, cold": 3.0, "stat, warm": 1.5, "open+read+close, cold": 3.0, "open+read+close, warm": 1.5}
"""Times native."""
_KINDS = {"direct": "direct", "pyfuse3": "pyfuse3", "direct:2": "direct, a union", "pyfuse3:2": "pyfuse3, a union"}

Report = Mapping[str, Any]
Verdict = tuple[str, float, float]
"""What, the most that is asked for, and what was found."""


def session_page(directory: str) -> str:
    """The page as Markdown, of the files in `directory`; those that are missing have no part in it."""
    parts = (
        ("attach_latency", _start_verdicts, (_start, _idle)),
        ("filesystem_memory", _memory_verdicts, (_memory,)),
        ("slim_tracing", _traced_verdicts, (_traced,)),
        ("soak", _no_verdicts, (_soak,)),
    )
    judgements: list[Judgement] = []
    sections: list[Section] = []
    for name, judge, tell in parts:
        if (report := _read(os.path.join(directory, f"{name}.json"))) is not None:
            judgements += [(what, f"{most:g}", f"{found:.2f}", found <= most) for what, most, found in judge(report)]
            sections += [section(report) for section in tell]
    aims = [Section("Verdicts", verdicts("at most", judgements))] if judgements else []
    return Document(_TITLE, _NOTE if sections else _NOTHING, [*aims, *sections]).markdown()


def _read(path: str) -> Report | None:
    try:
        with open(path, encoding="utf-8") as file:
            report: Report = json.load(file)
            return report
    except FileNotFoundError:
        return None


def _start_verdicts(report: Report) -> Iterator[Verdict]:
    ratios = ("cntr attach", "cntr attach NAME", "cntr exec", "cntr attach, 20 at once")
    for what, verdict in report["verdicts"].items():
        told = f"{what}, times docker exec" if what in ratios else what
        yield told, verdict["limit"], verdict["is"]


def _memory_verdicts(report: Report) -> Iterator[Verdict]:
    for row in _walks(report):
        kind = _KINDS[row["kind"]]
        yield f"{kind}: MB for a million paths", _MOST, row["MB_most"]
        yield f"{kind}: MB when they are forgotten", _KEPT, row["MB_forgotten"]


def _traced_verdicts(report: Report) -> Iterator[Verdict]:
    for what, most in _TRACED.items():
        yield f"while tracing: {what}, times native", most, report["traced_to_native"][what]


def _start(report: Report) -> Section:
    single, cpu, docker = (
        report["median_seconds"],
        report["median_cpu_seconds"],
        report["median_seconds"]["docker exec"],
    )
    alone = [
        [name, f"{1000 * seconds:.0f} ms", f"{seconds / docker:.2f}", f"{1000 * cpu[name]:.0f} ms"]
        for name, seconds in single.items()
    ]
    together = report["median_seconds_at_once"]
    many = [[name, f"{s:.2f} s", f"{s / together['docker exec']:.2f}"] for name, s in together.items()]
    words = (
        f"Each runs true in a container of docker, which runs, and ends; medians of {report['runs']} turns. cntr1 and "
        f"cntr2 are the original in its versions 1.6.1 and 2.1, where they were given; 2.1 has no filesystem of its "
        f"own. {_machine(report)}"
    )
    return Section(
        "Until the command has run",
        [
            words,
            Table(["command", "time", "times docker exec", "CPU"], alone),
            "Twenty at once:",
            Table(["command", "time of all", "times docker exec"], many),
        ],
    )


def _idle(report: Report) -> Section:
    rows = [[name.partition("[")[0], f"{size:.1f} MiB"] for name, size in report["idle_session_mib"].items()]
    words = (
        "The processes of a session that does nothing, by their proportional set size (proc(5), smaps_rollup): "
        "memory that several share counts for each in part."
    )
    return Section("An idle session", [words, Table(["process", "memory"], rows)])


def _no_verdicts(_report: Report) -> Iterator[Verdict]:
    return iter(())


def _walks(report: Report) -> list[Report]:
    """What the newest of the versions that were compared did."""
    newest = max(row["version"] for row in report["results"])
    return [row for row in report["results"] if row["version"] == newest]


def _memory(report: Report) -> Section:
    names = ("MB_at_first", "MB_walked", "MB_walked_twice", "MB_most", "MB_forgotten")
    rows = [[_KINDS[row["kind"]], *(f"{row[name]:.0f} MB" for name in names)] for row in _walks(report)]
    words = f"The server's memory while find walks a tree of {report['paths']} paths, twice. {_machine(report)}"
    return Section("A large tree", [words, Table(["by", "at first", "walked", "again", "at most", "forgotten"], rows)])


def _traced(report: Report) -> Section:
    rows = [
        [what, f"{times['native']:.1f} µs", f"{times['traced']:.1f} µs", f"{times['traced'] / times['native']:.2f}"]
        for what, times in report["median_microseconds_a_file"].items()
    ]
    words = (
        f"A file of the image {report['image']} on the traced mount, beside the same file unpacked; medians of "
        f"{report['runs']} turns over {report['files']} files. {_machine(report)}"
    )
    return Section("While tracing", [words, Table(["what", "native", "traced", "times native"], rows)])


def _soak(report: Report) -> Section:
    rows = [
        [
            _KINDS[row["kind"]],
            f"{row['seconds']:.0f} s",
            f"{row['MB_first']:.0f} MB",
            f"{row['MB_most']:.0f} MB",
            "; ".join(row["wrong"]) or "nothing",
        ]
        for row in report["results"]
    ]
    words = (
        "Random operations whose every content is checked, stress-ng's stressors of files"
        f"{', fsstress' if report['fsstress'] else ''} and a program that takes all descriptors, at the same time; the "
        "server may have 256 descriptors and 100 MB. Linux "
        f"{report['kernel']}, {report['cpus']} CPUs."
    )
    return Section("Under load", [words, Table(["by", "for", "memory at first", "at most", "what went wrong"], rows)])


def _machine(report: Report) -> str:
    return f"Linux {report['kernel']}, {report['cpus']} CPUs; the load was {report['load_average_at_the_end'][0]:.1f}."
