"""File handles open a file by its number alone, also after the kernel has forgotten it."""

from __future__ import annotations

import ctypes
import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cntr_core.kernel.syscall import AT_FDCWD
from tests.mounted.mounting import mounted

pytestmark = pytest.mark.requires("root", "fuse")

libc = ctypes.CDLL(None, use_errno=True)
HANDLE_BYTES = 128  # MAX_HANDLE_SZ


class Handle(ctypes.Structure):
    """struct file_handle of name_to_handle_at(2)."""

    _fields_ = (("bytes", ctypes.c_uint), ("type", ctypes.c_int), ("handle", ctypes.c_char * HANDLE_BYTES))


def handle_of(path: Path) -> Handle:
    handle = Handle(HANDLE_BYTES)
    if libc.name_to_handle_at(AT_FDCWD, os.fsencode(path), ctypes.byref(handle), ctypes.byref(ctypes.c_int()), 0):
        raise OSError(ctypes.get_errno(), "name_to_handle_at", path)
    return handle


def opened(place: Path, handle: Handle) -> int:
    mount = os.open(place, os.O_RDONLY)
    try:
        fd = libc.open_by_handle_at(mount, ctypes.byref(handle), os.O_RDONLY)
        if fd < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        return int(fd)
    finally:
        os.close(mount)


def make_forget(place: Path) -> None:
    """A remount drops the names that nobody uses (shrink_dcache_sb in reconfigure_super, fs/super.c)."""
    subprocess.run(["mount", "-i", "-o", "remount", place], check=True)


@pytest.fixture(
    scope="module",
    params=[("direct", 1), ("direct", 2), ("pyfuse3", 1), ("pyfuse3", 2)],
    ids=lambda p: f"{p[0]}-{p[1]}",
)
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A mount of one directory, or of the union of two, of which the lower one has files."""
    transport, count = request.param
    work = tmp_path_factory.mktemp("handles")
    branches = [work / f"branch{number}" for number in range(count)]
    for branch in branches:
        branch.mkdir()
    (branches[-1] / "below").mkdir()
    (branches[-1] / "below/file").write_text("content")
    with mounted(transport, work / "mount", *branches, read_only=False):
        yield work / "mount"


def test_a_file_is_opened_by_its_handle_after_it_was_forgotten(place: Path) -> None:
    handle = handle_of(place / "below/file")
    make_forget(place)
    with open(opened(place, handle)) as file:
        assert file.read() == "content"
        assert os.fstat(file.fileno()).st_ino == (place / "below/file").stat().st_ino


def test_a_directory_is_opened_by_its_handle_with_its_path(place: Path) -> None:
    (place / "d/e/f").mkdir(parents=True)
    handle = handle_of(place / "d/e/f")
    make_forget(place)
    fd = opened(place, handle)
    assert os.readlink(f"/proc/self/fd/{fd}") == str(place / "d/e/f")
    os.close(fd)


def test_a_renamed_file_is_opened_by_its_handle(place: Path) -> None:
    (place / "old").write_text("moved")
    handle = handle_of(place / "old")
    (place / "old").rename(place / "new")
    make_forget(place)
    with open(opened(place, handle)) as file:
        assert file.read() == "moved"


def test_a_file_is_opened_by_its_handle_after_the_name_is_gone_by_which_it_was_seen_last(place: Path) -> None:
    (place / "one").write_text("linked")
    os.link(place / "one", place / "two")
    make_forget(place)
    handle = handle_of(place / "one")
    (place / "one").unlink()
    make_forget(place)
    with open(opened(place, handle)) as file:
        assert file.read() == "linked"
    (place / "two").unlink()


@pytest.mark.parametrize("successor", [False, True])
def test_the_handle_of_a_removed_file_is_stale(place: Path, successor: bool) -> None:
    """Also where the next file has its inode number, as it is with ext4."""
    (place / "gone").write_text("secret of old")
    handle = handle_of(place / "gone")
    (place / "gone").unlink()
    make_forget(place)
    if successor:
        (place / "gone").write_text("another")
        make_forget(place)
    with pytest.raises(OSError, match=rf"\[Errno {errno.ESTALE}\]"):
        opened(place, handle)
    (place / "gone").unlink(missing_ok=True)


def test_a_number_that_was_never_seen_opens_nothing(place: Path, tmp_path_factory: Any) -> None:
    """Else a handle made up would reach what lies outside the tree, on the same filesystem."""
    outside = tmp_path_factory.mktemp("outside") / "secret"
    outside.write_text("secret")
    handle = handle_of(place / "below/file")
    number = outside.stat().st_ino
    assert bytes(handle)[8 : 8 + handle.bytes][4:8] == (place / "below/file").stat().st_ino.to_bytes(8, "little")[:4]
    ctypes.memmove(
        ctypes.addressof(handle) + 8, (number >> 32).to_bytes(4, "little") + number.to_bytes(8, "little")[:4], 8
    )
    with pytest.raises(OSError, match=rf"\[Errno {errno.ESTALE}\]"):
        opened(place, handle)
