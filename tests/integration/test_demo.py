"""The README's first command, as it stands there."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cntr import UNMEASURED, environment

pytestmark = pytest.mark.requires("root", "fuse", "runc", "gdb", "strace", "curl", "mmdebstrap")

ROOT = Path(__file__).parents[2]


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A directory for temporary files; apt's user, too, passes it."""
    with tempfile.TemporaryDirectory(prefix="cntr-test-demo-", dir="/var/tmp") as path:
        os.chmod(path, 0o755)
        yield Path(path)


def test_the_demo_shows_the_hosts_tools_and_both_halves_of_the_image_and_leaves_nothing(temporary: Path) -> None:
    before = _left()
    result = subprocess.run(
        [ROOT / "evaluation/demo.sh"],
        capture_output=True,
        env=environment(UNMEASURED | {"TMPDIR": str(temporary)}),
        timeout=400,
    )
    printed = result.stdout.decode()
    assert result.returncode == 0, printed + result.stderr.decode()
    assert "nginx: master process" in printed  # ps
    assert "served by cntr demo" in printed  # curl
    assert "#0 " in printed  # gdb
    assert "accept4(" in printed  # strace
    same = "1 page on port 80 gave the same answer, a missing page too."
    assert f"The slim image does what the original does: {same}" in printed
    assert "both images rebuild the original" in printed
    assert "no shell" in printed and "ii  nginx" in printed  # dpkg, from the fat half
    assert "Nothing is left." in printed
    assert os.listdir(temporary) == []
    assert _left() <= before


def _left() -> set[str]:
    """The working directories of demos, and the cgroups of runs that hold nobody; those of other runs beside it do."""
    cgroups = [path for path in Path("/sys/fs/cgroup/pids").glob("cntr-*") if not _members(path)]
    return {str(path) for path in (*Path("/var/tmp").glob("cntr-demo*"), *cgroups)}


def _members(cgroup: Path) -> str:
    try:
        return (cgroup / "cgroup.procs").read_text()
    except OSError:
        return "it went meanwhile"
