"""The README's first command, as it stands there."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.cntr import UNMEASURED, environment

pytestmark = pytest.mark.requires("root", "fuse", "runc", "gdb", "strace", "curl", "mmdebstrap")

ROOT = Path(__file__).parents[2]


def test_the_demo_shows_the_hosts_tools_and_both_halves_of_the_image_and_leaves_nothing() -> None:
    before = sorted(os.listdir("/var/tmp")), _cgroups()
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
    assert "both halves make the original" in printed
    assert "no shell" in printed and "nginx-light" in printed  # dpkg, from the fat half
    assert "Nothing is left." in printed
    assert (sorted(os.listdir("/var/tmp")), _cgroups()) == before


def _cgroups() -> list[str]:
    return (
        [name for name in os.listdir("/sys/fs/cgroup/pids") if "cntr" in name]
        if os.path.isdir("/sys/fs/cgroup/pids")
        else []
    )
