"""The upper layer of a session's root: what is added, and what hides."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cntr_core import DirectoryTree, MountRequest
from cntr_core.session.skeleton import Skeleton, mount_points, session_skeleton
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
    with session_skeleton(DirectoryTree(tools[1]), container[1], hide_secrets=False) as upper:
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
    with session_skeleton(DirectoryTree(tools[1]), container[1], hide_secrets=False) as upper:
        status = os.stat("etc", dir_fd=upper)
    assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (12, 34, 0o2751)


def test_a_link_in_place_of_a_directory_is_hidden(tools: tuple[Path, int], container: tuple[Path, int]) -> None:
    (tools[0] / "tmp").rmdir()
    (tools[0] / "tmp").symlink_to("/somewhere")
    with session_skeleton(DirectoryTree(tools[1]), container[1], hide_secrets=False) as upper:
        assert upper is not None
        assert stat.S_ISDIR(_entries(upper)["tmp"])


def test_secrets_of_the_host_become_whiteouts(tools: tuple[Path, int], container: tuple[Path, int]) -> None:
    with session_skeleton(DirectoryTree(tools[1]), container[1], hide_secrets=True) as upper:
        assert upper is not None
        for directory, name in (("etc", "shadow"), ("etc", "shadow-"), ("etc/ssl", "private"), ("home/ann", ".ssh")):
            assert stat.S_ISCHR(_entries(upper, directory)[name])
            assert os.stat(f"{directory}/{name}", dir_fd=upper).st_rdev == 0


def test_a_file_that_the_container_lacks_is_hidden_but_for_its_users(
    tools: tuple[Path, int], container: tuple[Path, int]
) -> None:
    for name in ("passwd", "group", "resolv.conf", "localtime"):
        (container[0] / "etc" / name).unlink()
    (tools[0] / "etc/group").unlink()
    with session_skeleton(DirectoryTree(tools[1]), container[1], hide_secrets=False) as upper:
        assert upper is not None
        entries = _entries(upper, "etc")
    assert stat.S_ISCHR(entries["resolv.conf"])
    assert "passwd" not in entries  # the session's is mounted on the tools'
    assert stat.S_ISREG(entries["group"])
    assert "localtime" not in entries  # neither side has one


def test_patterns_match_through_directories_and_not_through_links_that_leave(
    tools: tuple[Path, int], tmp_path: Path
) -> None:
    (tmp_path / "outside/.ssh").mkdir(parents=True)
    (tools[0] / "home/bob").symlink_to(tmp_path / "outside")
    upper = os.open(tmp_path, os.O_PATH)
    assert list(Skeleton(upper, DirectoryTree(tools[1])).matches("home/*/.ssh")) == ["home/ann/.ssh"]
    os.close(upper)


@contextmanager
def _session_root(tools: tuple[Path, int], container: tuple[Path, int]) -> Iterator[Path]:
    """What a session sees of the tools when they are the host's."""
    with session_skeleton(DirectoryTree(tools[1]), container[1], hide_secrets=True) as upper:
        assert upper is not None
        branches = [DirectoryTree(upper), DirectoryTree(tools[1])]
        with filesystem("kernel").mount(MountRequest(branches)) as mount:
            yield Path(f"/proc/self/fd/{mount.fd}")


def _below(root: Path, path: str) -> list[str]:
    return sorted(os.listdir(root / path))


@pytest.mark.requires("overlayfs")
@pytest.mark.parametrize("link", ["/srv/alice", "../srv/alice"])
def test_a_home_that_is_a_link_keeps_its_data_and_hides_its_keys(
    tools: tuple[Path, int], container: tuple[Path, int], link: str
) -> None:
    for name in ("srv/alice/.ssh/id", "srv/alice/.config/gh/hosts.yml", "srv/alice/.npmrc", "srv/alice/work"):
        (tools[0] / name).parent.mkdir(parents=True, exist_ok=True)
        (tools[0] / name).write_text("alice\n")
    (tools[0] / "home/alice").symlink_to(link)
    with _session_root(tools, container) as root:
        assert os.readlink(root / "home/alice") == link
        assert _below(root, "srv/alice") == [".config", "work"]
        assert _below(root, "srv/alice/.config") == []
        assert (root / "srv/alice/work").read_text() == "alice\n"


@pytest.mark.requires("overlayfs")
def test_home_directories_behind_a_link_and_those_that_only_passwd_names(
    tools: tuple[Path, int], container: tuple[Path, int]
) -> None:
    for name in ("data/homes/eve", "opt/app[1]", "srv/svc"):
        (tools[0] / name / ".aws").mkdir(parents=True)
        (tools[0] / name / "work").mkdir()
    (tools[0] / ".docker").mkdir()
    (tools[0] / "home/ann/.ssh").rmdir()
    (tools[0] / "home/ann").rmdir()
    (tools[0] / "home").rmdir()
    (tools[0] / "home").symlink_to("data/homes")
    (tools[0] / "svc").symlink_to("/srv/svc")
    homes = ("/", "/nonexistent", "/opt/app[1]/", "/svc", "", "/home/../etc")
    lines = [f"user{n}:x:{n}:{n}::{home}:/bin/sh\n" for n, home in enumerate(homes)]
    (tools[0] / "etc/passwd").write_text("".join(lines) + "broken line\n")
    with _session_root(tools, container) as root:
        for home in ("data/homes/eve", "opt/app[1]", "srv/svc"):
            assert _below(root, home) == ["work"]
        assert ".docker" not in _below(root, ".")


@pytest.mark.requires("overlayfs")
def test_a_secret_that_is_a_link_is_hidden_where_it_lies_if_it_is_the_owners(
    tools: tuple[Path, int], container: tuple[Path, int]
) -> None:
    for name in ("data/keys", "usr/bin", "root", "home/ann/.gnupg"):
        (tools[0] / name).mkdir(parents=True)
    os.chown(tools[0] / "data/keys", 1000, 1000)
    for link, target in (("home/ann/.aws", "/data/keys"), ("home/ann/.docker", "/usr"), ("home/ann/.kube", "/")):
        (tools[0] / link).symlink_to(target)
        os.chown(tools[0] / link, 1000, 1000, follow_symlinks=False)
    (tools[0] / "root/.netrc").symlink_to("/etc/passwd")
    (tools[0] / "root/.ssh").symlink_to("/home/ann/.gnupg/..")
    with _session_root(tools, container) as root:
        assert _below(root, "data") == []
        assert _below(root, "usr") == ["bin"]
        assert "ann" not in _below(root, "home")
        assert _below(root, "root") == []
        assert (root / "etc/passwd").exists(), "the session's own passwd is bound there"


@pytest.mark.requires("overlayfs")
@pytest.mark.parametrize(
    "name", ["etc/kubernetes", "etc/letsencrypt", "var/backups/shadow.bak", "root/.pypirc", "home/ann/.pgpass",
             "home/ann/.vault-token", "root/.bash_history"],
)  # fmt: skip
def test_well_known_secrets_are_hidden(tools: tuple[Path, int], container: tuple[Path, int], name: str) -> None:
    (tools[0] / name).parent.mkdir(parents=True, exist_ok=True)
    (tools[0] / name).write_text("secret\n")
    with _session_root(tools, container) as root:
        assert not os.path.lexists(root / name)


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
