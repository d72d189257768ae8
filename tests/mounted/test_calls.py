"""Single calls on a file of a mount and on one of the directory below: the same result, or a documented difference."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import mmap
import os
import resource
import signal
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cntr_plugins.fs.logic import syscalls

from tests.mounted.mounting import mounted
from tests.support.children import in_child

pytestmark = pytest.mark.requires("root", "fuse", "linux-6.9")

SIZE = 5 * 4096 + 100
KEEP_SIZE, PUNCH_HOLE, COLLAPSE, ZERO, INSERT, UNSHARE = 0x01, 0x02, 0x08, 0x10, 0x20, 0x40
FICLONE, FIEMAP = 0x40049409, 0xC020660B
F_SETLEASE, F_OFD_SETLK = 1024, 37
EARLIER = 10**9

Call = Callable[[Path], object]
libc = ctypes.CDLL(None, use_errno=True)


def outcome(call: Call, path: Path) -> object:
    """What a call returns for a new file, or the name of its error."""
    path.write_bytes(bytes(range(1, 251)) * (SIZE // 250 + 1))
    os.truncate(path, SIZE)
    try:
        return in_child(lambda: call(path))
    except OSError as error:
        return errno.errorcode[error.errno or 0]


def allocated(mode: int) -> Call:
    def call(path: Path) -> object:
        with path.open("r+b") as file:
            syscalls.fallocate(file.fileno(), mode, 4096, 8192 + 4096 * 4)
        return path.stat().st_size, path.read_bytes(), extents(path)

    return call


def extents(path: Path) -> list[tuple[int, int]]:
    """Where the file has data (SEEK_DATA and SEEK_HOLE of lseek(2))."""
    found, end = [], 0
    with path.open("rb") as file:
        while True:
            try:
                start = os.lseek(file.fileno(), end, os.SEEK_DATA)
            except OSError as error:
                assert error.errno == errno.ENXIO
                return found
            end = os.lseek(file.fileno(), start, os.SEEK_HOLE)
            found.append((start, end))


def copied_within(path: Path) -> object:
    with path.open("r+b") as file:
        return os.copy_file_range(file.fileno(), file.fileno(), 5000, 0, 10000), path.read_bytes()


def nameless(path: Path) -> object:
    fd = os.open(path.parent, os.O_TMPFILE | os.O_RDWR, 0o640)
    os.write(fd, b"content")
    before = os.fstat(fd).st_nlink
    linked = path.with_name(path.name + "-linked")
    os.link(f"/proc/self/fd/{fd}", linked, follow_symlinks=True)
    return before, linked.stat().st_nlink, oct(linked.stat().st_mode), linked.read_bytes()


def never_linked(path: Path) -> object:
    fd = os.open(path.parent, os.O_TMPFILE | os.O_RDWR | os.O_EXCL, 0o640)
    os.link(f"/proc/self/fd/{fd}", path.with_name(path.name + "-linked"), follow_symlinks=True)
    return "linked"


def flocked(path: Path) -> object:
    with path.open("rb") as one, path.open("rb") as other:
        fcntl.flock(one, fcntl.LOCK_EX)
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return "both"


def locked_by_description(path: Path) -> object:
    lock = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 10, 0)
    with path.open("r+b") as one, path.open("r+b") as other:
        fcntl.fcntl(one, F_OFD_SETLK, lock)
        fcntl.fcntl(other, F_OFD_SETLK, lock)
    return "both"


def leased(path: Path) -> object:
    with path.open("rb") as file:
        fcntl.fcntl(file, F_SETLEASE, fcntl.F_RDLCK)
        signal.signal(signal.SIGIO, signal.SIG_IGN)
        os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    return "opened"


def limited(change: Callable[[int], object]) -> Call:
    """A file may not be made larger than RLIMIT_FSIZE says."""

    def call(path: Path) -> object:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (SIZE + 10, SIZE + 10))
        with path.open("r+b") as file:
            return change(file.fileno()), os.fstat(file.fileno()).st_size

    return call


def directly(size: int, offset: int) -> Call:
    """Read with O_DIRECT, which wants alignment."""

    def call(path: Path) -> object:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECT)
        buffer = mmap.mmap(-1, 65536)
        return os.preadv(fd, [memoryview(buffer)[:size]], offset), bytes(buffer[:size])

    return call


def time_of_access(flags: int) -> Call:
    """Whether reading changed it."""

    def call(path: Path) -> object:
        os.utime(path, ns=(EARLIER, EARLIER))
        fd = os.open(path, os.O_RDONLY | flags)
        os.read(fd, 100)
        os.close(fd)
        return path.with_name("./" + path.name).stat().st_atime_ns == EARLIER

    return call


def written_whole(path: Path) -> object:
    with path.open("rb") as file:
        return libc.syncfs(file.fileno())


ANYWHERE: dict[str, Call] = {
    "flock": flocked,
    "OFD lock": locked_by_description,
    "lease": leased,
    "limit of write": limited(lambda fd: os.pwrite(fd, b"x" * 100, SIZE)),
    "limit of write behind": limited(lambda fd: os.pwrite(fd, b"x" * 100, SIZE + 10)),
    "limit of truncate": limited(lambda fd: os.ftruncate(fd, SIZE + 100)),
    "O_NOATIME": time_of_access(os.O_NOATIME),
    "time of access": time_of_access(0),
    "syncfs": written_whole,
    "aligned O_DIRECT": directly(4096, 4096),
}
BY_DIRECT: dict[str, Call] = ANYWHERE | {
    "fallocate": allocated(0),
    "keep the size": allocated(KEEP_SIZE),
    "punch a hole": allocated(PUNCH_HOLE | KEEP_SIZE),
    "zero": allocated(ZERO),
    "zero, keep the size": allocated(ZERO | KEEP_SIZE),
    "limit of fallocate": limited(lambda fd: syscalls.fallocate(fd, 0, 0, SIZE + 100)),
    "copy_file_range": copied_within,
    "O_TMPFILE": nameless,
    "O_TMPFILE and O_EXCL": never_linked,
    "O_DIRECT of odd size": directly(1000, 4096),
    "O_DIRECT at an odd offset": directly(4096, 100),
}
NOWHERE: dict[str, Call] = {
    "collapse": allocated(COLLAPSE),
    "insert": allocated(INSERT),
    "unshare": allocated(UNSHARE),
}
"""Refused by the kernel itself (EOPNOTSUPP is the same number): see the documentation's known differences."""


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Directories below, and their mounts."""
    work = tmp_path_factory.mktemp("calls")
    for name in ("below", "lower"):
        (work / name).mkdir()
    with (
        mounted("direct", work / "direct", work / "below", read_only=False),
        mounted("direct", work / "union", work / "below", work / "lower", read_only=False),
        mounted("pyfuse3", work / "pyfuse3", work / "below", read_only=False),
    ):
        yield work


@pytest.mark.parametrize("name", ANYWHERE)
def test_calls_by_pyfuse3_are_answered_as_below(work: Path, name: str) -> None:
    assert outcome(ANYWHERE[name], work / "pyfuse3/mounted") == outcome(ANYWHERE[name], work / "below/plain")


@pytest.mark.parametrize("name", BY_DIRECT)
@pytest.mark.parametrize("place", ["direct", "union"])
def test_calls_by_direct_are_answered_as_below(work: Path, place: str, name: str) -> None:
    (work / "below/plain-linked").unlink(missing_ok=True)
    assert outcome(BY_DIRECT[name], work / place / f"{place}-{name}") == outcome(BY_DIRECT[name], work / "below/plain")


@pytest.mark.parametrize("name", NOWHERE)
def test_what_the_kernel_does_not_pass_on_is_refused(work: Path, name: str) -> None:
    assert outcome(NOWHERE[name], work / "direct/refused") == "ENOTSUP"


@pytest.mark.parametrize("command", [FICLONE, FIEMAP])
def test_extents_are_not_shared_nor_told(work: Path, command: int) -> None:
    def call(path: Path) -> Any:
        with path.open("r+b") as file:
            return fcntl.ioctl(file, command, file.fileno() if command == FICLONE else bytes(32))

    assert outcome(call, work / "direct/extents") == "ENOTSUP"


def test_the_time_of_birth_is_that_below(work: Path) -> None:
    (work / "direct/born").touch()
    told = []
    for tree in ("direct", "below"):
        fd = os.open(work / tree / "born", os.O_PATH)
        told.append(syscalls.statx(fd).birth_time)
        os.close(fd)
    assert told[0] == told[1] is not None


@pytest.mark.parametrize(("read_only", "most"), [(True, 1024), (False, 128)])
def test_the_kernel_reads_far_ahead_in_what_nobody_writes_to(read_only: bool, most: int, tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/file").write_text("content")
    with mounted("direct", tmp_path / "place", tmp_path / "tree", read_only=read_only):
        assert (tmp_path / "place/file").read_text() == "content"
        device = (tmp_path / "place").stat().st_dev
        settings = Path(f"/sys/class/bdi/{os.major(device)}:{os.minor(device)}")
        assert (settings / "read_ahead_kb").read_text() == f"{most}\n"
