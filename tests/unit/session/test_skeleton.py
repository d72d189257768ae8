"""The upper layer of a session's root: what is added, and what hides."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cntr_core import DirectoryTree, MountRequest, Part, PartialTree
from cntr_core.filesystem import Tree
from cntr_core.session.skeleton import mount_points, session_skeleton
from tests.mounted.mounting import filesystem

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
    with session_skeleton(DirectoryTree(tools[1]), container[1]) as upper:
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
    with session_skeleton(DirectoryTree(tools[1]), container[1]) as upper:
        status = os.stat("etc", dir_fd=upper)
    assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (12, 34, 0o2751)


def test_a_link_in_place_of_a_directory_is_hidden(tools: tuple[Path, int], container: tuple[Path, int]) -> None:
    (tools[0] / "tmp").rmdir()
    (tools[0] / "tmp").symlink_to("/somewhere")
    with session_skeleton(DirectoryTree(tools[1]), container[1]) as upper:
        assert upper is not None
        assert stat.S_ISDIR(_entries(upper)["tmp"])


def test_a_file_that_the_container_lacks_is_hidden_but_for_its_users(
    tools: tuple[Path, int], container: tuple[Path, int]
) -> None:
    for name in ("passwd", "group", "resolv.conf", "localtime"):
        (container[0] / "etc" / name).unlink()
    (tools[0] / "etc/group").unlink()
    with session_skeleton(DirectoryTree(tools[1]), container[1]) as upper:
        assert upper is not None
        entries = _entries(upper, "etc")
    assert stat.S_ISCHR(entries["resolv.conf"])
    assert "passwd" not in entries  # the session's is mounted on the tools'
    assert stat.S_ISREG(entries["group"])
    assert "localtime" not in entries  # neither side has one


@contextmanager
def _session_root(tools: Tree, container: int) -> Iterator[Path]:
    """What a session sees of the tools, and of the mount points for what is not theirs."""
    with session_skeleton(tools, container) as upper:
        branches = [tools] if upper is None else [DirectoryTree(upper), tools]
        with filesystem("kernel").mount(MountRequest(branches)) as mount:
            yield Path(f"/proc/self/fd/{mount.fd}")


def _below(root: Path, path: str) -> list[str]:
    return sorted(os.listdir(root / path))


@pytest.mark.requires("overlayfs")
@pytest.mark.parametrize("link", ["/usr/etc", "usr/etc", "../usr/./etc"])
def test_a_linked_etc_keeps_what_is_in_it(tools: tuple[Path, int], container: tuple[Path, int], link: str) -> None:
    (tools[0] / "usr").mkdir()
    (tools[0] / "etc").rename(tools[0] / "usr/etc")
    (tools[0] / "etc").symlink_to(link)
    (tools[0] / "usr/etc/kept").write_text("kept\n")
    (tools[0] / "usr/etc/localtime").symlink_to("kept")
    with _session_root(DirectoryTree(tools[1]), container[1]) as root:
        assert os.readlink(root / "etc") == link
        assert (root / "usr/etc/kept").read_text() == "kept\n"
        assert all((root / "usr/etc" / name).is_file() for name in ("passwd", "resolv.conf", "localtime"))
        assert not (root / "usr/etc/localtime").is_symlink()


@pytest.mark.requires("overlayfs")
def test_linked_var_lib_and_links_that_lead_nowhere_good(
    tools: tuple[Path, int], container: tuple[Path, int], tmp_path: Path
) -> None:
    (tools[0] / "data/lib/state").mkdir(parents=True)
    (tools[0] / "var/lib").rmdir()
    (tools[0] / "var/lib").symlink_to("/data/lib")
    with _session_root(DirectoryTree(tools[1]), container[1]) as root:
        assert _below(root, "data/lib") == ["cntr", "state"]
    for target in ("/nowhere", "/run/lib", "/etc/passwd", str(tmp_path)):
        (tools[0] / "var/lib").unlink()
        (tools[0] / "var/lib").symlink_to(target)
        with _session_root(DirectoryTree(tools[1]), container[1]) as root:
            assert _below(root, "var/lib") == ["cntr"], target
            assert not (root / "var/lib").is_symlink()


@pytest.mark.requires("overlayfs")
def test_of_a_part_the_rest_is_absent_and_mount_points_are_made(
    tools: tuple[Path, int], container: tuple[Path, int]
) -> None:
    part = Part()
    part.add("etc/ssl", public=True)
    part.add("home/ann/bin")
    with _session_root(PartialTree(tools[1], part), container[1]) as root:
        assert _below(root, ".") == ["dev", "etc", "home", "proc", "run", "sys", "tmp", "var"]
        assert _below(root, "etc") == ["group", "hostname", "hosts", "localtime", "passwd", "resolv.conf", "ssl"]
        assert _below(root, "etc/ssl") == _below(root, "home/ann") == []


def test_mount_points_are_removed_when_nobody_needs_them(tools: tuple[Path, int]) -> None:
    (tools[0] / "var/lib").rmdir()
    (tools[0] / "run").rmdir()
    before = sorted(tools[0].rglob("*"))
    with pytest.raises(RuntimeError), mount_points(tools[1]):
        assert (tools[0] / "var/lib/cntr").is_dir()
        assert (tools[0] / "run").is_dir()
        raise RuntimeError
    assert sorted(tools[0].rglob("*")) == before
    with mount_points(tools[1]):
        (tools[0] / "var/lib/kept").touch()
    assert _below(tools[0], "var/lib") == ["kept"]


def test_mount_points_stay_while_another_session_uses_them(tools: tuple[Path, int]) -> None:
    with mount_points(tools[1]) as _:
        with mount_points(tools[1]):
            pass
        assert (tools[0] / "var/lib/cntr").is_dir()
    first, second = mount_points(tools[1]), mount_points(tools[1])
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert (tools[0] / "var/lib/cntr").is_dir()
    second.__exit__(None, None, None)
