"""Calls beyond reading and writing: the same answers on a mount and on the directory that it shows."""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.mounted.mounting import mounted
from tests.support.children import in_child

pytestmark = pytest.mark.requires("root", "fuse", "linux-6.9")

GETFLAGS, SETFLAGS = 0x80086601, 0x40086602
FSGETXATTR, FSSETXATTR = 0x801C581F, 0x401C5820
IMMUTABLE, APPEND, NODUMP, NOATIME = 0x10, 0x20, 0x40, 0x80
JOURNALED = 0x4000
EARLIER = 10**9
XFLAG_NODUMP = 0x80


@pytest.fixture(scope="module", params=[1, 2], ids=["passthrough", "union"])
def trees(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    """A directory and its mount by ``direct``; with an empty directory below as the union's other branch."""
    work = tmp_path_factory.mktemp("api")
    branches = [work / "below", work / "lower"][: request.param]
    for branch in branches:
        branch.mkdir()
    with mounted("direct", work / "mount", *branches, read_only=False):
        yield work / "below", work / "mount"


@pytest.fixture
def pair(trees: tuple[Path, Path], request: pytest.FixtureRequest) -> tuple[Path, Path]:
    """A new directory in the mount, below and as it is mounted."""
    below, place = (tree / request.node.name.partition("[")[0] for tree in trees)
    number = 0
    while (below / str(number)).exists():
        number += 1
    (place / str(number)).mkdir(parents=True)
    return below / str(number), place / str(number)


def flags_of(path: Path) -> int:
    fd = os.open(path, os.O_RDONLY)
    try:
        return int(struct.unpack("=I4x", fcntl.ioctl(fd, GETFLAGS, bytes(8)))[0])
    finally:
        os.close(fd)


def set_flags(path: Path, flags: int) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        fcntl.ioctl(fd, SETFLAGS, struct.pack("=I4x", flags))
    finally:
        os.close(fd)


def fails_with(number: int) -> Any:
    return pytest.raises(OSError, match=rf"\[Errno {number}\]")


@pytest.mark.parametrize("name", ["file", "directory"])
def test_flags_of_a_file_are_those_below(pair: tuple[Path, Path], name: str) -> None:
    below, place = pair
    (place / "file").touch()
    (place / "directory").mkdir()
    assert flags_of(place / name) == flags_of(below / name)
    before = flags_of(place / name)
    set_flags(place / name, before | NODUMP | NOATIME)
    assert flags_of(below / name) == flags_of(place / name) == before | NODUMP | NOATIME


def test_setting_flags_shows_in_the_time_of_change_at_once(pair: tuple[Path, Path]) -> None:
    below, place = pair
    (place / "file").touch()
    before = (place / "file").stat().st_ctime_ns
    for flags in (NODUMP, 0, NODUMP):
        time.sleep(0.02)  # more than a file system's clock takes for its next step
        set_flags(place / "file", flags_of(place / "file") & ~NODUMP | flags)
        changed = (place / "file").stat().st_ctime_ns
        assert changed == (below / "file").stat().st_ctime_ns > before
        before = changed


def test_writing_to_a_mapping_shows_in_the_time_of_modification_at_once(pair: tuple[Path, Path]) -> None:
    below, place = pair
    (place / "file").write_bytes(bytes(4096))
    for _ in range(3):
        with (place / "file").open("r+b") as file, mmap.mmap(file.fileno(), 4096) as mapping:
            file.close()  # the mapping keeps it open
            os.utime(place / "file", ns=(EARLIER, EARLIER))
            assert (place / "file").stat().st_mtime_ns == EARLIER
            mapping[0] += 1
            mapping.flush()
            assert EARLIER < (place / "file").stat().st_mtime_ns == (below / "file").stat().st_mtime_ns
        assert (place / "file").stat().st_mtime_ns == (below / "file").stat().st_mtime_ns


def test_extended_flags_of_a_file_are_those_below(pair: tuple[Path, Path]) -> None:
    below, place = pair
    (place / "file").touch()
    with (place / "file").open() as file:
        fields = bytearray(fcntl.ioctl(file, FSGETXATTR, bytes(28)))
        struct.pack_into("=I", fields, 0, struct.unpack_from("=I", fields)[0] | XFLAG_NODUMP)
        fcntl.ioctl(file, FSSETXATTR, bytes(fields))
    with (below / "file").open() as file:
        assert fcntl.ioctl(file, FSGETXATTR, bytes(28)) == fields
    assert flags_of(below / "file") & NODUMP


def test_a_flag_that_needs_a_capability_is_not_set_by_the_servers(pair: tuple[Path, Path]) -> None:
    for directory in pair:
        directory.chmod(0o777)
        (directory / "file").touch()
        os.chown(directory / "file", 1000, 1000)
        fd = os.open(directory / "file", os.O_RDONLY)
        assert in_child(lambda fd=fd: journaled_by_its_owner(fd)) == "EPERM"
        os.close(fd)


def journaled_by_its_owner(fd: int) -> str | None:
    os.setgid(1000)
    os.setuid(1000)
    try:
        fcntl.ioctl(fd, SETFLAGS, struct.pack("=I4x", JOURNALED))
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return None


def test_other_ioctls_are_not_passed_on(pair: tuple[Path, Path]) -> None:
    """They would reach the filesystem below, and the rights of the server."""
    _, place = pair
    (place / "file").touch()
    with (place / "file").open() as file, fails_with(errno.ENOTTY):
        fcntl.ioctl(file, 0xC0185879, bytes(24))  # FITRIM


@pytest.mark.parametrize("opened", [os.O_WRONLY, os.O_RDWR, os.O_WRONLY | os.O_APPEND, os.O_WRONLY | os.O_TRUNC])
@pytest.mark.parametrize("flag", [IMMUTABLE, APPEND])
def test_an_immutable_or_append_only_file_is_opened_as_below(pair: tuple[Path, Path], flag: int, opened: int) -> None:
    below, place = pair
    (place / "file").write_text("content")
    set_flags(place / "file", flags_of(place / "file") | flag)
    try:
        assert opening(place / "file", opened) == opening(below / "file", opened)
        with fails_with(errno.EPERM):
            (place / "file").unlink()
        with fails_with(errno.EPERM):
            os.truncate(place / "file", 1)
    finally:
        set_flags(below / "file", flags_of(below / "file") & ~flag)


def opening(path: Path, flags: int) -> str | None:
    """The error of open(2), if there is one."""
    try:
        os.close(os.open(path, flags))
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return None
