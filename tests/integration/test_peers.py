"""Peers of cntr in the evaluation, played by a stand-in with their command line: theirs are not here."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from evaluation.peers import parse_peer
from evaluation.report.command import pages, read_runs
from evaluation.results import read_results
from tests.support.images import cache_directory

_ROOT = Path(__file__).resolve().parents[2]
_DOUBLE = _ROOT / "tests/support/peer_double.py"

pytestmark = pytest.mark.requires("root", "fuse", "runc", "busybox", "gcc", "tar", "docker", "docker-cli")


def test_a_peer_is_driven_and_judged_by_the_same_steps_and_one_that_fails_is_told(tmp_path: Path) -> None:
    results = tmp_path / "results.jsonl"
    line = [sys.executable, "-m", "evaluation", "top50", "--only", "busybox", "--results", str(results)]
    line += ["--cache", str(Path(cache_directory()) / "corpus"), f"--peer=mint={_DOUBLE}", "--peer=slim=/bin/false"]
    run = subprocess.run(line, cwd=_ROOT, capture_output=True, text=True, timeout=250, check=False)
    (result,) = read_results(str(results))
    assert result.joined and not result.error, run.stderr
    mint, slim = result.peers["mint"], result.peers["slim"]
    assert not mint.error and mint.version == "stand-in 1"
    assert [(step.run, step.step) for step in mint.steps] == [(step.run, step.step) for step in result.steps]
    assert all(step.ok for step in mint.steps if step.run in ("minimal", "broad"))
    assert abs(mint.bytes - result.bytes.original) < 20_000 and abs(mint.reduction) < 0.1
    assert slim.error.startswith("it starts no container") and not slim.steps
    assert not _left("images") and not _left("ps", "--all")
    page = pages(read_runs([str(results)]), {})["top50.md"]
    assert "| busybox |" in page.partition("## Peers")[2]


def _left(*words: str) -> str:
    """What docker has of it."""
    listed = subprocess.run(["docker", *words], capture_output=True, text=True, check=True, timeout=60).stdout
    return "".join(line for line in listed.splitlines() if "cntr-peer-" in line or f"{os.getpid()} " in line)


@pytest.mark.parametrize("words", ["other=/bin/true", "mint", "mint=/nowhere", "=/bin/true"])
def test_a_peer_is_named_with_its_program(words: str) -> None:
    with pytest.raises(ValueError):
        parse_peer(words)
