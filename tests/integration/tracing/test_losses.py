"""The observer of a traced mount sees what strace(1) sees, where 32 processes work side by side."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.images.layouts import directory, file, layout, tar

pytestmark = pytest.mark.requires("root", "fuse", "strace")

PROGRAM = Path(__file__).parents[3] / "evaluation/experiments/trace_losses.py"
ODD = ["two words", "caf\u00e9", "a\nline", 'quo"te', "back\\slash"]


def test_nothing_is_lost_under_32_processes(tmp_path: Path) -> None:
    names = [f"d{number % 7}/f{number}" for number in range(320)] + [f"d0/{name}" for name in ODD]
    members = [*(directory(f"d{number}") for number in range(7)), *(file(name, name.encode()) for name in names)]
    image = layout(tmp_path / "image", tar(*members), config={"Cmd": ["/none"]})
    output = tmp_path / "found.json"
    line = [sys.executable, str(PROGRAM), "--image", image, "--output", str(output)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(output.read_text())
    assert (found["processes"], found["files"], found["opened"], found["lost"]) == (32, 325, 325, 0)
    assert found["absent"] == 82
