"""Copies to and from a container whose users are others on the machine: by root, and by the user whose it is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.rootless import FIRST_SUBORDINATE, GID, UID, OrdinaryUser

pytestmark = pytest.mark.requires(
    "root", "podman", "runc", "busybox", "newuidmap", "nsenter", "setpriv", "unshare", "ordinary-user"
)


@pytest.fixture(scope="module")
def container(ordinary_user: OrdinaryUser) -> str:
    return ordinary_user.start("busybox")


def _owner(path: Path) -> tuple[int, int]:
    status = path.lstat()
    return status.st_uid, status.st_gid


def test_owners_are_numbers_of_the_container(ordinary_user: OrdinaryUser, container: str) -> None:
    root = Path(f"/proc/{ordinary_user.pid(container)}/root")
    home = ordinary_user.home
    for program in (ordinary_user.cntr, ordinary_user.sudo_cntr):
        (home / "file").write_text("x")
        os.chown(home / "file", UID, GID)
        assert (done := program("cp", "file", f"podman://{container}:/plain")).returncode == 0, done.stderr
        assert _owner(root / "plain") == (UID, GID), "the container's root"
        ordinary_user.podman("exec", container, "/bin/busybox", "rm", "/plain")
    os.chown(home / "file", 5, 6)
    done = ordinary_user.sudo_cntr("cp", "-a", "file", f"podman://{container}:/kept")
    assert done.returncode == 0, done.stderr
    assert _owner(root / "kept") == (FIRST_SUBORDINATE + 4, FIRST_SUBORDINATE + 5)


def test_files_that_come_out_are_the_callers(ordinary_user: OrdinaryUser, container: str) -> None:
    home = ordinary_user.home
    script = "echo of uid 5 >/secret; /bin/busybox chown 5:6 /secret; /bin/busybox chmod 6700 /secret"
    ordinary_user.podman("exec", container, "/bin/busybox", "sh", "-c", script)
    done = ordinary_user.cntr("cp", f"podman://{container}:/secret", "own")
    assert done.returncode == 0, done.stderr
    assert _owner(home / "own") == (UID, GID)
    assert (home / "own").stat().st_mode & 0o7777 == 0o700, "nobody becomes the caller by it"
    assert (home / "own").read_text() == "of uid 5\n"
    done = ordinary_user.sudo_cntr("cp", f"podman://{container}:/secret", "roots")
    assert (done.returncode, _owner(home / "roots")) == (0, (0, 0)), done.stderr
    done = ordinary_user.sudo_cntr("cp", "-a", f"podman://{container}:/secret", "kept")
    assert (done.returncode, _owner(home / "kept")) == (0, (5, 6)), done.stderr


def test_nobody_copies_from_the_containers_of_others(ordinary_user: OrdinaryUser) -> None:
    done = ordinary_user.cntr("cp", "pid://1:/etc/hostname", "stolen")
    assert done.returncode == 125
    assert "sudo" in done.stderr
    assert not (ordinary_user.home / "stolen").exists()
