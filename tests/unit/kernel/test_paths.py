from __future__ import annotations

import errno
import os
from collections.abc import Iterator

import pytest

from cntr_core.kernel import paths
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
    """openat2(2) answers EAGAIN when a rename runs beside a lookup of ``..`` below a root."""
    deep = "/".join(["d"] * 30)
    os.makedirs(f"{tmp_path}/{deep}")
    with open(f"{tmp_path}/target", "w"):
        pass
    path = f"{deep}/{'/'.join(['..'] * 30)}/target"

    def rename() -> None:
        other = f"{tmp_path}-renamed"
        os.makedirs(f"{other}/a")
        while True:
            os.rename(f"{other}/a", f"{other}/b")
            os.rename(f"{other}/b", f"{other}/a")

    root = os.open(tmp_path, os.O_PATH)
    with child(rename):
        for _ in range(300):
            os.close(paths.open_in_root(root, path, os.O_PATH))
    os.close(root)


def test_a_race_that_never_ends_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    attempts = []

    def racing(*_: object, **__: object) -> int:
        attempts.append(1)
        raise BlockingIOError(errno.EAGAIN, "openat2")

    monkeypatch.setattr(paths, "_openat2", racing)
    with pytest.raises(BlockingIOError):
        paths.open_in_root(0, "x", 0)
    assert len(attempts) > 10
