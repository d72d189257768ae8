"""What the benchmarks of the filesystem make of what was measured."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import fields, replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from cntr_plugins.fs.logic.policy import Policy

from evaluation.filesystem import claimed
from evaluation.filesystem.aims import DIRECT, aims
from evaluation.filesystem.command import ALL, summary
from evaluation.filesystem.disk_suite import DISK, PAPER
from evaluation.filesystem.ground import QUICK, Ground
from evaluation.filesystem.levers import ALL_LEVERS, BY_MESSAGES, LEVERS, levers
from evaluation.filesystem.measure import lacking, turn
from evaluation.filesystem.results import (
    RESULTS,
    Turn,
    mean_ratio,
    medians,
    ratios,
    read_turns,
    write_turns,
)
from evaluation.filesystem.ways import DEFAULT, NATIVE, PEER, Way
from evaluation.filesystem.workloads import COMMON, Part, Place, State, Workload, run
from evaluation.lines import replaced
from evaluation.paper import PaperClaim
from evaluation.report.command import PLACE
from evaluation.report.filesystem import filesystem_pages
from evaluation.results import Machine
from evaluation.verdict import Outcome, Verdict

MACHINE = Machine("Debian 12", "6.18", 2, 8 << 30, "3.11", "0.1.0", "c0de", "abc", "")


def _turn(workload: str, number: int, seconds: Mapping[str, float], part: Part = Part.READ_ONLY) -> Turn:
    state = str(State.COLD)
    return Turn(workload, part, state, "", "full", number, "ext4", MACHINE, 0.5, "2026-11-26T12:00:00", seconds, {})


def _none(source: str, place: str) -> AbstractContextManager[None]:
    raise AssertionError(f"{source} is reached by itself, not at {place}")


TURNS = [
    _turn("find", 0, {"native": 1.0, "direct": 2.0, "kernel": 1.0}),
    _turn("find", 1, {"native": 2.0, "direct": 4.0, "kernel": 2.0}),
    _turn("find", 2, {"native": 9.0, "direct": 9.0}),
    _turn("tar", 0, {"native": 1.0, "direct": 8.0}),
    _turn("tar", 0, {"native": 1.0, "direct": 5.0}, Part.DISK),
]


def test_a_ratio_is_that_of_the_medians() -> None:
    assert medians(TURNS[:3], "find") == {"native": 2.0, "direct": 4.0, "kernel": 1.5}
    assert ratios(TURNS, Part.READ_ONLY, "native") == {"find": {"direct": 2.0, "kernel": 0.75}, "tar": {"direct": 8.0}}


def test_the_mean_is_geometric_and_of_what_was_run() -> None:
    found = ratios(TURNS, Part.READ_ONLY, "native").values()
    assert mean_ratio(found, "direct") == (pytest.approx(4.0), 2)
    assert mean_ratio(found, "kernel") == (pytest.approx(0.75), 1)
    assert mean_ratio(found, "pyfuse3") == (0.0, 0)
    assert "all, direct: 4.00x native in the geometric mean of 2" in summary(TURNS)
    assert "disk suite, direct: 5.00x native in the geometric mean of 1" in summary(TURNS)


def test_without_a_base_there_is_no_ratio() -> None:
    assert ratios([_turn("find", 0, {"direct": 2.0})], Part.READ_ONLY, "native") == {}


def test_a_turn_takes_the_place_of_what_it_repeats(tmp_path: Path) -> None:
    file = str(tmp_path / "turns.jsonl")
    write_turns(file, TURNS)
    assert read_turns(file) == TURNS
    again = replaced(TURNS, _turn("tar", 0, {"native": 3.0}))
    assert len(again) == len(TURNS) and again[-1].seconds == {"native": 3.0}
    assert again[-2].part == Part.DISK, "the same name in another part is another workload"


def test_there_are_24_workloads_and_the_papers_20() -> None:
    assert (len(COMMON), len(DISK)) == (24, 20)
    assert set(PAPER) <= {one.name for one in DISK}
    assert len({(one.part, one.name) for one in ALL}) == len(ALL)
    assert {one.name for one in LEVERS} <= {one.name for one in (*COMMON, *DISK)}


def test_a_workload_that_lacks_a_program_says_which() -> None:
    work = Workload("none", Part.WRITABLE, State.COLD, lambda _: None, needs=("sh", "no-such-program"))
    assert lacking(work) == "no-such-program not installed"


def test_the_reason_why_nothing_was_measured_names_no_place_of_the_machine(tmp_path: Path) -> None:
    def fail(place: Place) -> None:
        run("sh", "-c", "echo no file $0/mount/work >&2; false", os.path.dirname(place.root))

    work = Workload("none", Part.DISK, State.BACKING, fail, made=fail)
    for directory in ("ground/work", "ground/tree"):
        (tmp_path / directory).mkdir(parents=True)
    measured = turn(work, 0, [Way(NATIVE, True, mount=_none)], Ground(str(tmp_path / "ground"), "", QUICK))
    assert measured.missing == {NATIVE: "sh ended with code 1: no file mount/work"}


def test_every_field_of_the_policy_is_a_lever() -> None:
    covered = {name for changes in levers().values() for name in changes}
    assert covered == {one.name for one in fields(Policy)}, "what is it without? evaluation/filesystem/levers.py"


def test_the_missed_aims_come_first_and_each_says_what_was_found() -> None:
    turns = [
        _turn("find, warm", 0, {"native": 1.0, DIRECT: 1.2, "kernel, read-only": 1.3}),
        _turn("find, cold", 0, {"native": 1.0, DIRECT: 2.5, DEFAULT: 1.1}),
        _turn("PostMark", 0, {"native": 1.0, DIRECT: 3.9}, Part.DISK),
    ]
    found = aims(turns)
    assert [aim.met for aim in found] == sorted(aim.met for aim in found)
    told = {aim.words: (aim.found, aim.met) for aim in found}
    assert told["direct, find, warm"] == ("1.20", True) and told["direct, find, cold"] == ("2.50", False)
    assert told["direct, geometric mean of 2"] == ("1.73", False)
    assert told["attach's default, read-only, geometric mean of 1"] == ("1.10", True)
    assert told["kernel, the worst of 1, find, warm"] == ("1.30", False)
    assert told["direct, the worst of the disk suite, PostMark"] == ("3.90", True)
    assert told["direct, workloads of the disk suite that take at most 1.5 times native's time"] == ("0 of 1", False)


def test_the_page_has_the_papers_figure_beside_ours_and_what_did_not_run() -> None:
    lacking_fio = replace(_turn("FIO", 0, {}, Part.DISK), missing={"every way": "fio not installed"})
    levers_turn = _turn("untar", 0, {ALL_LEVERS: 1.0, "without readdirplus": 1.5}, Part.LEVERS)
    postmark = _turn("PostMark", 0, {"native": 1.0, DIRECT: 3.0, PEER: 2.0}, Part.DISK)
    page = filesystem_pages([_turn("tar", 0, {"native": 1.0, DIRECT: 2.0}), postmark, levers_turn, lacking_fio])
    text = page["filesystem.md"]
    assert "| PostMark |  | 7.0 | 3.00 | 2.00 |" in text
    assert "| FIO | every way | fio not installed |" in text
    assert "| untar | 1.50 |" in text
    assert "| geometric mean of all |  |  | 2.00 (1) |" in text
    picture = ElementTree.fromstring(page["filesystem-ratios.svg"])
    widths = [float(bar.attrib["width"]) for bar in picture.iter("{http://www.w3.org/2000/svg}rect")]
    assert widths[1] / widths[0] == pytest.approx(1.585, rel=0.02), "3 is log2(3) as far from 1 as 2 is"
    assert "No results are committed yet" in filesystem_pages([])["filesystem.md"]


def test_the_page_is_made_of_the_committed_results() -> None:
    for name, content in filesystem_pages(read_turns(RESULTS)).items():
        with open(os.path.join(PLACE, name), encoding="utf-8") as file:
            assert file.read() == content, "python -m evaluation report"


@pytest.mark.parametrize(
    ("judge", "value", "expected"),
    [
        (claimed.worst, 13.0, Outcome.BEATEN),
        (claimed.worst, 3.0, Outcome.NOT_REPRODUCED),
        (claimed.overhead, 13, Outcome.NOT_RUN),
        (claimed.read_cache, 10.0, Outcome.BEATEN),
        (claimed.parallel_directories, 2.5, Outcome.NOT_REPRODUCED),
        (claimed.writeback, 65.0, Outcome.NOT_APPLICABLE),
        (claimed.splice, 5.0, Outcome.NOT_RUN),
        (claimed.threads, None, Outcome.NOT_APPLICABLE),
    ],
)
def test_the_papers_claims_are_judged_by_the_turns(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    judge: Callable[[PaperClaim, object], Verdict],
    value: float | None,
    expected: Outcome,
) -> None:
    without = {ALL_LEVERS: 1.0, f"without {BY_MESSAGES}": 11.0, "without parallel directories": 1.01}
    turns = [_turn("Dbench, 12", 0, {"native": 1.0, DIRECT: 6.0}, Part.DISK)]
    turns += [_turn(name, 0, without, Part.LEVERS) for name in ("Threaded I/O read", "write a big file")]
    turns += [_turn("Compilebench read", 0, without, Part.LEVERS)]
    write_turns(str(tmp_path / "turns.jsonl"), turns)
    monkeypatch.setattr("evaluation.filesystem.claimed.RESULTS", str(tmp_path / "turns.jsonl"))
    assert judge(PaperClaim("claim", "text", "memory", value), None).outcome == expected


def test_forgets_in_batches_are_counted() -> None:
    told = claimed.batched_forgets(
        PaperClaim("claim", "text", "source"), {"messages": {"forget a tree": {"FORGET": 9, "BATCH_FORGET": 3}}}
    )
    assert told.outcome == Outcome.REPRODUCED and "3, and 9 single ones" in told.words
