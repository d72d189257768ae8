"""The README's first command, as it stands there."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.cntr import UNMEASURED, environment

pytestmark = pytest.mark.requires("root", "fuse", "runc", "gdb", "strace", "curl", "mmdebstrap")

ROOT = Path(__file__).parents[2]


def test_the_demo_shows_the_hosts_tools_and_both_halves_of_the_image_and_leaves_nothing() -> None:
    before = _left()
    result = subprocess.run(
        [ROOT / "evaluation/demo.sh"], capture_output=True, env=environment(UNMEASURED), timeout=400
    )
    printed = result.stdout.decode()
    assert result.returncode == 0, printed + result.stderr.decode()
    assert "nginx: master process" in printed  # ps
    assert "served by cntr demo" in printed  # curl
    assert "#0 " in printed  # gdb
    assert "accept4(" in printed  # strace
    assert "The slim image does what the original does." in printed
    assert "both images rebuild the original" in printed
    assert "no shell" in printed and "nginx-light" in printed  # dpkg, from the fat half
    assert "Nothing is left." in printed
    assert _left() == before


def _left() -> set[str]:
    """Temporary files and cgroups of cntr, but for those of tests that run at the same time."""
    places = filter(os.path.isdir, ("/var/tmp", "/sys/fs/cgroup/pids"))
    found = {f"{place}/{name}" for place in places for name in os.listdir(place)}
    return {path for path in found if "cntr" in path and "cntr-test" not in path}
