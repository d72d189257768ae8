"""Homes of users: absent, unwritable, noexec; and what is made there is for nobody else."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from cntr_core.kernel.user_namespaces import _may_map
from tests.support.cntr import PROGRAM, cntr, environment
from tests.support.images import archive
from tests.support.reachable import command_as

pytestmark = pytest.mark.requires("root", "fuse", "runc")


def _slimmed(directory: Path, cache: Path) -> subprocess.CompletedProcess[bytes]:
    line = ["slim", archive("busybox"), "-o", str(directory / "pair.tar"), "--report", str(directory / "report")]
    return cntr(*line, "--no-verify", "--", "/bin/true", env={"CNTR_CACHE_DIR": str(cache)}, timeout=120)


def test_a_cache_that_cannot_be_written_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = _slimmed(tmp_path, tmp_path / "file" / "cache")
    assert done.returncode == 0, done.stderr
    assert b"cntr why will not find this report by the image" in done.stderr
    assert (tmp_path / "pair.tar").exists()


def test_the_cache_is_for_nobody_else(tmp_path: Path) -> None:
    old = os.umask(0o022)
    try:
        (tmp_path / "old" / "cntr").mkdir(parents=True, mode=0o755)  # by a version before
        for cache in (tmp_path / "old" / "cntr", tmp_path / "new" / "cntr"):
            assert _slimmed(tmp_path, cache).returncode == 0
            for made in (cache, cache / "reports"):
                assert stat.S_IMODE(made.stat().st_mode) == 0o700, made
            (tmp_path / "pair.tar").unlink()
    finally:
        os.umask(old)


def test_a_state_directory_on_a_noexec_filesystem_is_told(tmp_path: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "noexec", "tmpfs", str(tmp_path)], check=True)
    try:
        env = {"CNTR_STATE_DIR": str(tmp_path / "state")}
        done = cntr("run", "--rm", archive("busybox"), "/bin/true", env=env)
        assert done.returncode == 125
        assert b"mounted noexec" in done.stderr and b"hint: set CNTR_STATE_DIR" in done.stderr
        assert b"mounted noexec" in cntr("doctor", env=env).stdout
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_a_user_without_a_home_is_told_so() -> None:
    line = command_as(54321, "env", "-u", "HOME", "-u", "XDG_DATA_HOME", PROGRAM, "engines")
    done = subprocess.run(line, capture_output=True, env=environment(), cwd="/", timeout=60, check=False)
    assert b"Traceback" not in done.stderr
    assert b"HOME is not set" in done.stdout + done.stderr


@pytest.mark.requires("newuidmap")
def test_a_newuidmap_without_its_privilege_is_named(tmp_path: Path) -> None:
    os.chmod(tmp_path, 0o755)
    (tmp_path / "bin").mkdir(mode=0o755)
    copy = shutil.copy(
        "/usr/bin/newuidmap", tmp_path / "bin" / "newuidmap"
    )  # without the bit, as a file of tar would be
    os.chmod(copy, 0o755)
    assert _may_map("/usr/bin/newuidmap")
    assert not _may_map(str(copy))
