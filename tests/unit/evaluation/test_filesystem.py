"""What the benchmarks of the filesystem make of what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

import pytest
from cntr_plugins.fs.logic.policy import Policy

from evaluation.filesystem.command import ALL, summary
from evaluation.filesystem.disk_suite import DISK, PAPER
from evaluation.filesystem.levers import LEVERS, levers
from evaluation.filesystem.measure import lacking
from evaluation.filesystem.results import Turn, mean_ratio, medians, ratios, read_turns, with_turn, write_turns
from evaluation.filesystem.workloads import COMMON, Part, State, Workload
from evaluation.results import Machine

MACHINE = Machine("Debian 12", "6.18", 2, 8 << 30, "3.11", "0.1.0", "c0de", "abc", "")


def _turn(workload: str, number: int, seconds: Mapping[str, float], part: Part = Part.READ_ONLY) -> Turn:
    state = str(State.COLD)
    return Turn(workload, part, state, "", "full", number, "ext4", MACHINE, 0.5, "2026-11-26T12:00:00", seconds, {})


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
    again = with_turn(TURNS, _turn("tar", 0, {"native": 3.0}))
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


def test_every_field_of_the_policy_is_a_lever() -> None:
    covered = {name for changes in levers().values() for name in changes}
    assert covered == {one.name for one in fields(Policy)}, "what is it without? evaluation/filesystem/levers.py"
