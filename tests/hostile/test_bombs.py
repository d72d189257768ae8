"""Small images that claim to be endless are read, or refused with a sentence, in little time and memory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hostile import bombs

HANG = 120
_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def _read(*paths: str) -> str:
    """What the reader in a small process says."""
    line = [sys.executable, "-m", "tests.hostile.bombs", *paths]
    done = subprocess.run(line, cwd=_ROOT, capture_output=True, text=True, timeout=HANG)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize("name", bombs.LAYERS)
def test_a_layer_that_is_a_bomb(tmp_path: Path, name: str) -> None:
    said = _read(bombs.image_of(bombs.LAYERS[name](), str(tmp_path / "image")))
    assert said.startswith("read: " if name in bombs.HARMLESS else "refused: image "), said
    assert len(said) < 1000, "a hostile name is cut"


def test_indexes_that_name_each_other_a_thousand_times(tmp_path: Path) -> None:
    assert _read(bombs.nested_indexes(str(tmp_path / "image"))) == "read: 1 names, 0 changes\n"


def test_an_image_of_twenty_thousand_layers(tmp_path: Path) -> None:
    assert "it has 20000 layers" in _read(bombs.many_layers(str(tmp_path / "image")))
