"""Ordinary users reach what lies in a directory that is its owner's alone, and nothing else there."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support import reachable

pytestmark = pytest.mark.requires("root", "setpriv", "unshare")


@pytest.mark.parametrize("closed", ["home", "home/checkout"])
def test_the_way_is_open_to_what_is_needed_alone(closed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "home/checkout/.venv/bin").mkdir(parents=True)
    (tmp_path / "home/checkout/file").write_text("of the checkout")
    (tmp_path / "home/secret").write_text("of root")
    (tmp_path / closed).chmod(0o700)
    monkeypatch.setattr(reachable, "_needed", lambda: [tmp_path / "home/checkout"])
    script = "cat checkout/file; ls -A checkout; cat secret 2>/dev/null || echo hidden"
    line = reachable.command_as(4711, "sh", "-c", f"cd '{tmp_path}/home' && {script}")
    done = subprocess.run(line, capture_output=True, text=True, timeout=60)
    assert done.stdout.split("\n") == ["of the checkout.venv", "file", "hidden", ""], done.stderr
    assert str(tmp_path) not in Path("/proc/self/mounts").read_text()
