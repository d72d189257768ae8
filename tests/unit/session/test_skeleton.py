"""The upper layer of a session's root: what is added, and what hides."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from cntr_core.session.skeleton import Skeleton, session_skeleton

pytestmark = pytest.mark.requires("root")


@pytest.fixture
def tools(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    root = tmp_path / "tools"
    for name in ("proc", "sys", "dev", "tmp", "run", "var/tmp", "var/lib", "etc/ssl/private", "home/ann/.ssh"):
        (root / name).mkdir(parents=True)
    for name in ("etc/passwd", "etc/group", "etc/hosts", "etc/hostname", "etc/shadow", "etc/shadow-"):
        (root / name).write_text("host\n")
    (root / "etc/resolv.conf").symlink_to("/run/systemd/resolve/stub-resolv.conf")
    (root / "etc").chmod(0o2751)
    fd = os.open(root, os.O_PATH | os.O_DIRECTORY)
    yield root, fd
    os.close(fd)


@pytest.fixture
def container(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    root = tmp_path / "container"
    (root / "etc").mkdir(parents=True)
    for name in ("passwd", "group", "hosts", "hostname", "resolv.conf"):
        (root / "etc" / name).write_text("container\n")
    (root / "etc/zone").write_text("TZif")
    (root / "etc/localtime").symlink_to("/etc/zone")
    fd = os.open(root, os.O_PATH | os.O_DIRECTORY)
    yield root, fd
    os.close(fd)


def _entries(fd: int, path: str = ".") -> dict[str, int]:
    directory = os.open(path, os.O_RDONLY, dir_fd=fd)
    try:
        return {n: os.stat(n, dir_fd=directory, follow_symlinks=False).st_mode for n in os.listdir(directory)}
    finally:
        os.close(directory)


def test_only_what_the_tools_lack_is_added(tools: tuple[Path, int], container: tuple[Path, int]) -> None:
    with session_skeleton(tools[1], container[1], hide_secrets=False, user=(0, 0)) as upper:
        assert upper is not None
        assert set(_entries(upper)) == {"var", "etc"}
        assert set(_entries(upper, "var/lib")) == {"cntr"}
        # A link of the tools must not lead the container's file elsewhere; a file that is there is used.
        assert {n: stat.S_ISREG(m) for n, m in _entries(upper, "etc").items()} == {
            "resolv.conf": True,
            "localtime": True,
        }


def test_directories_keep_the_attributes_of_the_tools(tools: tuple[Path, int], container: tuple[Path, int]) -> None:
    os.chown(tools[0] / "etc", 12, 34)
    os.utime(tools[0] / "etc", ns=(5, 7))
    (tools[0] / "etc").chmod(0o2751)
    with session_skeleton(tools[1], container[1], hide_secrets=False, user=(0, 0)) as upper:
        status = os.stat("etc", dir_fd=upper)
    assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (12, 34, 0o2751)


def test_a_link_in_place_of_a_directory_is_hidden(tools: tuple[Path, int], container: tuple[Path, int]) -> None:
    (tools[0] / "tmp").rmdir()
    (tools[0] / "tmp").symlink_to("/somewhere")
    with session_skeleton(tools[1], container[1], hide_secrets=False, user=(0, 0)) as upper:
        assert upper is not None
        assert stat.S_ISDIR(_entries(upper)["tmp"])


def test_secrets_of_the_host_become_whiteouts(tools: tuple[Path, int], container: tuple[Path, int]) -> None:
    with session_skeleton(tools[1], container[1], hide_secrets=True, user=(0, 0)) as upper:
        assert upper is not None
        for directory, name in (("etc", "shadow"), ("etc", "shadow-"), ("etc/ssl", "private"), ("home/ann", ".ssh")):
            assert stat.S_ISCHR(_entries(upper, directory)[name])
            assert os.stat(f"{directory}/{name}", dir_fd=upper).st_rdev == 0


def test_a_container_without_users_gets_stand_ins_and_not_the_hosts(
    tools: tuple[Path, int], container: tuple[Path, int]
) -> None:
    for name in ("passwd", "group", "resolv.conf", "localtime"):
        (container[0] / "etc" / name).unlink()
    with session_skeleton(tools[1], container[1], hide_secrets=False, user=(1234, 99)) as upper:
        fd = os.open("etc/passwd", os.O_RDONLY, dir_fd=upper)
        with open(fd) as file:
            assert [line.split(":")[2] for line in file] == ["0", "1234", "65534"]
        assert upper is not None
        assert stat.S_ISCHR(_entries(upper, "etc")["resolv.conf"])
        assert "localtime" not in _entries(upper, "etc")  # neither side has one


def test_patterns_match_through_directories_and_not_through_links_that_leave(
    tools: tuple[Path, int], tmp_path: Path
) -> None:
    (tmp_path / "outside/.ssh").mkdir(parents=True)
    (tools[0] / "home/bob").symlink_to(tmp_path / "outside")
    upper = os.open(tmp_path, os.O_PATH)
    assert list(Skeleton(upper, tools[1]).matches("home/*/.ssh")) == ["home/ann/.ssh"]
    os.close(upper)
