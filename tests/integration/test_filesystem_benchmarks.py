"""``python -m evaluation filesystem``: all that is measured works, on small sizes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.requires("root", "fuse")


def _measure(results: Path, *words: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "evaluation", "filesystem", "--quick", "--results", str(results), *words]
    return subprocess.run(line, capture_output=True, text=True, timeout=300, check=False)


def _left() -> set[str]:
    """Names of its directories and mounts; other tests mount, too, meanwhile."""
    words = [*os.listdir("/dev/shm"), *Path("/proc/self/mountinfo").read_text().split()]
    return {word for word in words if "cntr-filesystem-" in word}


def test_what_is_measured_works_in_small(tmp_path: Path) -> None:
    results = tmp_path / "turns.jsonl"
    before = _left()
    done = _measure(results, "--way", "direct, writable")
    assert done.returncode == 0, done.stderr
    assert "all, direct, writable: " in done.stdout
    turns = [json.loads(line) for line in results.read_text().splitlines()]
    parts = {turn["part"] for turn in turns if turn["seconds"]}
    assert parts == {"reading", "writing", "disk suite", "levers"}
    for turn in turns:
        ways = {"all levers"} if turn["part"] == "levers" else {"native", "direct, writable"}
        assert turn["missing"].keys() <= {"every way"} and (turn["missing"] or ways <= turn["seconds"].keys()), turn
        assert all(seconds > 0 for seconds in turn["seconds"].values())
    assert _left() == before, "nothing is left"
    again = _measure(results, "--way", "direct, writable", "--only", "find", "--resume")
    assert [json.loads(line) for line in results.read_text().splitlines()] == turns, again.stderr


def test_a_peer_that_is_none_is_refused(tmp_path: Path) -> None:
    done = _measure(tmp_path / "turns.jsonl", "--peer", "passthrough_hp=/nowhere")
    assert done.returncode == 2 and "/nowhere is not passthrough_hp=PATH" in done.stderr
