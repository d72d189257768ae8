"""The script that loads the filesystem for half an hour, here for a minute."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "evaluation/experiments/soak.py"


@pytest.mark.requires("root", "fuse", "stress-ng")
@pytest.mark.timeout(600)
def test_all_transports_bear_load_with_few_descriptors_and_little_memory() -> None:
    line = [sys.executable, SCRIPT, "--seconds", "40"]
    done = subprocess.run(line, capture_output=True, text=True, timeout=590)
    kinds = [json.loads(result) for result in done.stdout.splitlines()]
    assert [kind["kind"] for kind in kinds] == ["direct", "pyfuse3", "direct:2", "pyfuse3:2"], done.stderr
    assert not [kind["wrong"] for kind in kinds if kind["wrong"]], done.stderr
    assert done.returncode == 0
    assert all(json.loads(kind["programs"]["greedy"])["most_taken"] < 256 for kind in kinds)
