from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from cntr_core.kernel import paths
from cntr_core.kernel.syscall import owned
from tests.support.children import child


@pytest.fixture
def root(tmp_path: os.PathLike[str]) -> Iterator[int]:
    """A tree whose owner has planted links that lead out of it, beside a secret that they aim at."""
    base = f"{tmp_path}/root"
    os.makedirs(f"{base}/etc")
    for path, content in ((f"{base}/etc/passwd", b"inside"), (f"{tmp_path}/secret", b"outside")):
        with open(path, "wb") as file:
            file.write(content)
    os.symlink("/etc/passwd", f"{base}/absolute")
    os.symlink("../../../../../../etc/passwd", f"{base}/dots")
    os.symlink("/../secret", f"{base}/out")
    os.symlink("/proc/self/root/etc/passwd", f"{base}/magic")
    os.symlink("/etc", f"{base}/directory")
    os.symlink("loop", f"{base}/loop")
    os.mkfifo(f"{base}/fifo")
    fd = os.open(base, os.O_PATH | os.O_DIRECTORY)
    yield fd
    os.close(fd)


@pytest.mark.parametrize(
    "path",
    ["etc/passwd", "/etc/passwd", "absolute", "dots", "/directory/passwd", "../../etc/passwd", b"absolute"],
)
def test_every_path_is_resolved_inside_the_root(root: int, path: str | bytes) -> None:
    assert paths.read_in_root(root, path) == b"inside"


@pytest.mark.parametrize("path", ["out", "../secret", "magic"])
def test_no_path_leads_out_of_the_root(root: int, path: str) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        paths.read_in_root(root, path)
    assert caught.value.filename == path
    assert "openat2" in str(caught.value)


def test_magic_links_are_refused() -> None:
    root = os.open("/", os.O_PATH)
    try:
        with pytest.raises(OSError) as caught:
            paths.open_in_root(root, "proc/self/root/etc/passwd", os.O_RDONLY)
    finally:
        os.close(root)
    assert caught.value.errno == errno.ELOOP


@pytest.mark.parametrize(
    ("path", "resolve", "number"),
    [
        ("absolute", paths.RESOLVE_BENEATH, errno.EXDEV),
        ("directory/passwd", paths.RESOLVE_NO_SYMLINKS, errno.ELOOP),
        ("loop", paths.RESOLVE_IN_ROOT, errno.ELOOP),
    ],
)
def test_the_rules_of_openat2_reach_the_kernel(root: int, path: str, resolve: int, number: int) -> None:
    with pytest.raises(OSError) as caught:
        paths.openat2(root, path, os.O_RDONLY, resolve=resolve)
    assert caught.value.errno == number


def test_a_new_file_gets_its_mode_and_is_close_on_exec(root: int) -> None:
    fd = paths.open_in_root(root, "directory/new", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
    assert os.fstat(fd).st_mode & 0o777 == 0o640 & ~_umask()
    assert not os.get_inheritable(fd)
    os.close(fd)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@pytest.mark.parametrize("path", ["fifo", "etc"])
def test_what_is_no_regular_file_is_neither_waited_for_nor_read(root: int, path: str) -> None:
    before = os.listdir("/proc/self/fd")
    with pytest.raises(OSError, match="not a regular file") as caught:
        paths.read_in_root(root, path)
    assert caught.value.errno == errno.EINVAL
    assert os.listdir("/proc/self/fd") == before


def test_a_file_larger_than_expected_is_refused(root: int) -> None:
    assert paths.read_in_root(root, "etc/passwd", limit=6) == b"inside"
    with pytest.raises(OSError, match="more than 5 bytes") as caught:
        paths.read_in_root(root, "etc/passwd", limit=5)
    assert caught.value.errno == errno.EFBIG


def test_renames_elsewhere_do_not_make_dotdot_fail(tmp_path: os.PathLike[str]) -> None:
    """openat2(2) answers EAGAIN when a rename runs beside a lookup of ``..`` below a root: here, always."""
    deep = "/".join(["d"] * 100)
    os.makedirs(f"{tmp_path}/{deep}")
    with open(f"{tmp_path}/target", "w"):
        pass
    path = "/".join([deep, *[".."] * 100, deep, *[".."] * 100, "target"])

    def rename(number: int) -> None:
        other = f"{tmp_path}-renamed-{number}"
        os.makedirs(f"{other}/a")
        while True:
            os.rename(f"{other}/a", f"{other}/b")
            os.rename(f"{other}/b", f"{other}/a")

    root = os.open(tmp_path, os.O_PATH)
    with child(partial(rename, 1)), child(partial(rename, 2)), child(partial(rename, 3)):
        for _ in range(100):
            os.close(paths.open_in_root(root, path, os.O_PATH))
    os.close(root)


_PATHS = (
    ".", "/", "..", "../..", "etc", "etc/", "/etc/.", "etc/..", "etc/passwd", "etc/passwd/", "etc/passwd/..",
    "absolute", "absolute/", "dots", "out", "magic", "directory", "directory/", "directory/passwd", "directory/../dots",
    "loop", "loop/x", "fifo", "fifo/x", "missing", "missing/x", "etc/missing", "../../etc/passwd", "dangling",
    "to-directory", "to-directory/passwd", "chain", "//etc//passwd", "", "up/etc/passwd", "slash", "d/e/f",
    "d/e/../../etc/passwd",
)  # fmt: skip


@pytest.mark.parametrize("flags", [os.O_PATH, os.O_PATH | os.O_NOFOLLOW, os.O_PATH | os.O_DIRECTORY, os.O_NONBLOCK])
@pytest.mark.parametrize("path", _PATHS)
def test_a_walk_finds_what_the_kernel_finds(root: int, path: str, flags: int) -> None:
    os.symlink("etc/none", "dangling", dir_fd=root)
    os.symlink("etc/", "to-directory", dir_fd=root)
    os.symlink("../directory/../chain2", "chain", dir_fd=root)
    os.symlink("dots", "chain2", dir_fd=root)
    os.symlink("..", "up", dir_fd=root)
    os.symlink("/", "slash", dir_fd=root)
    os.makedirs(f"/proc/self/fd/{root}/d/e/f")
    resolve = paths.RESOLVE_IN_ROOT | paths.RESOLVE_NO_MAGICLINKS
    expected = _outcome(lambda: paths.openat2(root, path, flags, resolve=resolve))
    assert _outcome(lambda: paths.walk_in_root(root, path, flags)) == expected


@pytest.mark.parametrize(
    "path",
    ["proc/self/status", "proc/self/root/etc/passwd", "proc/self/exe", "proc/1/cwd", "proc/self/fd/0", "proc/mounts",
     "proc/self/ns/mnt", "dev/fd/0", "dev/stdin"],
)  # fmt: skip
@pytest.mark.parametrize("flags", [os.O_PATH, os.O_PATH | os.O_NOFOLLOW])
def test_a_walk_refuses_the_same_magic_links(path: str, flags: int) -> None:
    with owned(os.open("/", os.O_PATH)) as root:
        resolve = paths.RESOLVE_IN_ROOT | paths.RESOLVE_NO_MAGICLINKS
        expected = _outcome(lambda: paths.openat2(root, path, flags, resolve=resolve))
        assert _outcome(lambda: paths.walk_in_root(root, path, flags)) == expected


def _outcome(opened: Callable[[], int]) -> tuple[int, int] | int | None:
    """The file that was opened, or the error; descriptors of the walk must be closed again."""
    before = os.listdir("/proc/self/fd")
    try:
        with owned(opened()) as fd:
            status = os.fstat(fd)
            found: tuple[int, int] | int | None = (status.st_dev, status.st_ino)
    except OSError as error:
        found = error.errno
    assert os.listdir("/proc/self/fd") == before
    return found


def test_a_walk_makes_a_file_as_openat2_does(root: int) -> None:
    os.close(paths.walk_in_root(root, "directory/../new", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640))
    assert os.stat("new", dir_fd=root).st_mode & 0o777 == 0o640 & ~_umask()
    with pytest.raises(FileExistsError):
        paths.walk_in_root(root, "absolute", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
