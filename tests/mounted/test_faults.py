"""What goes wrong below the mount, or with its server: the right error, no hanging, nothing acknowledged is lost."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import select
import shutil
import signal
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cntr_plugins.fs import server as server_module
from cntr_plugins.fs.logic.descriptors import FileNode
from cntr_plugins.fs.logic.directory import DescriptorFile, DirectoryBranch

from cntr_core.filesystem import MountRequest, ServedMount
from cntr_core.kernel.mounts import AT_FDCWD, MNT_DETACH, move_mount, umount2
from tests.mounted.mounting import filesystem, mounted

pytestmark = pytest.mark.requires("root", "fuse")

both = pytest.mark.parametrize("transport", ["direct", "pyfuse3"])
_SHUTDOWN = 0x8004587D  # EXT4_IOC_SHUTDOWN, _IOR('X', 125, uint32_t)
_NO_LOG_FLUSH = 2


@contextlib.contextmanager
def fails_with(*numbers: int) -> Iterator[None]:
    with pytest.raises(OSError) as caught:
        yield
    assert caught.value.errno in numbers, caught.value


def branches(work: Path, backing: Path) -> list[Path]:
    """The backing as the top of a union, too: what is above takes the changes."""
    lower = work / "lower"
    lower.mkdir(exist_ok=True)
    return [backing, lower]


@contextlib.contextmanager
def filesystem_of(work: Path, *command: str, size: int, options: str = "loop") -> Iterator[Path]:
    """A file system of its own in a sparse file."""
    image, place = work / "image", work / "backing"
    with image.open("wb") as file:
        file.truncate(size)
    subprocess.run([*command, image], check=True, capture_output=True)
    place.mkdir()
    subprocess.run(["mount", "-o", options, image, place], check=True)
    try:
        yield place
    finally:
        umount2(place, MNT_DETACH)


@contextlib.contextmanager
def tmpfs(work: Path) -> Iterator[Path]:
    place = work / "backing"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "cntr-faults", place], check=True)
    try:
        yield place
    finally:
        umount2(place, MNT_DETACH)


def fill(path: Path) -> int:
    """Write until there is no more room; the error."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT)
    try:
        for _ in range(1000):
            os.write(fd, os.urandom(1 << 16))
            os.fsync(fd)
    except OSError as error:
        return error.errno or 0
    finally:
        with contextlib.suppress(OSError):
            os.close(fd)
    return 0


@pytest.mark.parametrize("branched", [False, True], ids=["passthrough", "union"])
@both
def test_a_full_backing_is_enospc_and_what_was_there_stays(transport: str, branched: bool, tmp_path: Path) -> None:
    with tmpfs(tmp_path) as backing:
        trees = branches(tmp_path, backing) if branched else [backing]
        with mounted(transport, tmp_path / "mount", *trees, read_only=False):
            kept = tmp_path / "mount/kept"
            kept.write_text("kept")
            assert fill(tmp_path / "mount/large") == errno.ENOSPC
            assert kept.read_text() == "kept"
            with fails_with(errno.ENOSPC):
                (tmp_path / "mount/other").write_bytes(bytes(100_000))
            (tmp_path / "mount/large").unlink()
            # The kernel waits for neither RELEASE nor FORGET, which let the room go.
            wait_for(lambda: os.statvfs(backing).f_bavail * 4096 > 200_000)
            (tmp_path / "mount/other").write_bytes(bytes(100_000))
        assert (backing / "kept").read_text() == "kept"
        assert (backing / "other").stat().st_size == 100_000


@both
def test_a_copy_up_that_finds_no_room_leaves_the_file_as_it_was(transport: str, tmp_path: Path) -> None:
    (tmp_path / "lower").mkdir()
    (tmp_path / "lower/large").write_bytes(b"x" * (2 << 20))
    with tmpfs(tmp_path) as backing:
        with mounted(transport, tmp_path / "mount", backing, tmp_path / "lower", read_only=False):
            large = tmp_path / "mount/large"
            with fails_with(errno.ENOSPC):
                large.open("ab").close()
            with fails_with(errno.ENOSPC):
                large.chmod(0o600)
            assert large.read_bytes() == b"x" * (2 << 20)
            (tmp_path / "mount/small").write_text("there is room for this")
        assert os.listdir(backing) == ["small"]


@pytest.mark.requires("btrfs")
@both
def test_a_quota_is_edquot(transport: str, tmp_path: Path) -> None:
    with filesystem_of(tmp_path, "mkfs.btrfs", "-q", size=128 << 20) as backing:
        subvolume = backing / "subvolume"
        for command in (
            ["subvolume", "create", subvolume],
            ["quota", "enable", backing],
            ["qgroup", "limit", "4M", subvolume],
        ):
            subprocess.run(["btrfs", *command], check=True, capture_output=True)
        with mounted(transport, tmp_path / "mount", subvolume, read_only=False):
            assert fill(tmp_path / "mount/large") == errno.EDQUOT
            assert (tmp_path / "mount/large").stat().st_size == (subvolume / "large").stat().st_size > 0


def remounted(how: str, place: Path) -> bool:
    line = ["mount", "-o", f"remount,{how}", "cntr-faults", place]
    return subprocess.run(line, capture_output=True).returncode == 0


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@both
def test_a_program_that_runs_is_not_written_to(transport: str, tmp_path: Path) -> None:
    """It runs below the mount: the kernel would say EIO of its backing file."""
    tree = tmp_path / "tree"
    tree.mkdir()
    shutil.copy("/bin/sleep", tree / "program")
    with (
        mounted(transport, tmp_path / "mount", tree, read_only=False),
        subprocess.Popen([tree / "program", "60"]) as run,
    ):
        try:
            with fails_with(errno.ETXTBSY):
                (tmp_path / "mount/program").open("r+b").close()
        finally:
            run.kill()


@both
def test_a_backing_that_becomes_read_only_is_erofs_and_can_be_read(transport: str, tmp_path: Path) -> None:
    with tmpfs(tmp_path) as backing, mounted(transport, tmp_path / "mount", backing, read_only=False):
        file = tmp_path / "mount/file"
        file.write_text("before")
        wait_for(lambda: remounted("ro", backing))  # a file that was closed may be let go later
        changes: list[Callable[[], Any]] = [
            *(lambda: file.write_text("after"), file.unlink, lambda: file.chmod(0o600)),
            *((tmp_path / "mount/new").mkdir, lambda: file.rename(file.with_name("other"))),
        ]
        for change in changes:
            with fails_with(errno.EROFS):
                change()
        assert file.read_text() == "before"
        assert remounted("rw", backing)
        file.write_text("after")
        assert (backing / "file").read_text() == "after"


@both
def test_a_broken_device_is_eio_and_the_rest_is_served(transport: str, tmp_path: Path) -> None:
    """ext4 that was shut down, as after errors of its disk."""
    with filesystem_of(tmp_path, "mkfs.ext4", "-q", "-F", size=16 << 20) as backing:
        (backing / "file").write_bytes(bytes(1 << 20))
        lower = tmp_path / "lower"
        lower.mkdir()
        (lower / "sound").write_text("sound")
        with mounted(transport, tmp_path / "mount", backing, lower, read_only=False) as mount:
            opened = os.open(tmp_path / "mount/file", os.O_RDWR)
            acknowledged = tmp_path / "mount/acknowledged"
            acknowledged.write_text("acknowledged")
            with acknowledged.open() as file:
                os.fsync(file.fileno())
            sound = os.open(tmp_path / "mount/sound", os.O_RDONLY)
            below = os.open(backing, os.O_RDONLY)
            fcntl.ioctl(below, _SHUTDOWN, struct.pack("=I", _NO_LOG_FLUSH))
            os.close(below)
            with fails_with(errno.EIO):
                os.write(opened, b"x")
                os.fsync(opened)
            with fails_with(errno.EIO):
                (tmp_path / "mount/new").mkdir()
            assert os.pread(sound, 10, 0) == b"sound"
            assert mount.server is not None
            assert not select.select([mount.server], [], [], 0)[0], "the server lives on"
            with contextlib.suppress(OSError):
                os.close(opened)
            os.close(sound)
        umount2(backing, MNT_DETACH)
        # The server's clone goes with it, a little later: until then the same broken filesystem would be mounted again.
        line = ["losetup", "--associated", tmp_path / "image"]
        wait_for(lambda: not subprocess.run(line, check=True, capture_output=True).stdout)
        subprocess.run(["mount", "-o", "loop", tmp_path / "image", backing], check=True)
        assert (backing / "acknowledged").read_text() == "acknowledged", "it was on the disk"


class Faulty(DirectoryBranch):
    """A backing that another FUSE server has, which `control` gives a fault: an error for every file called bad, or
    seconds for every file called slow."""

    def __init__(self, fd: int, control: Path) -> None:
        super().__init__(fd, writable=True)
        self._control = control

    def _suffer(self, node: FileNode) -> None:
        number = float(self._control.read_text())
        if node.name == b"bad" and number:
            raise OSError(int(number), os.strerror(int(number)))
        if node.name == b"slow":
            time.sleep(number)

    def stat(self, node: FileNode) -> os.stat_result:
        self._suffer(node)
        return super().stat(node)

    def open(self, node: FileNode, flags: int) -> DescriptorFile:
        self._suffer(node)
        return super().open(node, flags)

    def backing(self, node: FileNode, flags: int) -> int | None:  # noqa: ARG002 - never a file of the kernel's
        self._suffer(node)
        return None


@contextlib.contextmanager
def faulty(transport: str, work: Path) -> Iterator[tuple[Path, ServedMount, ServedMount]]:
    """A mount over a mount: where the upper is, the lower, and the upper."""
    (work / "control").write_text("0")
    for name in ("tree", "below"):
        (work / name).mkdir()
    for name in ("bad", "slow", "sound"):
        (work / "tree" / name).write_text(name)
    fd = os.open(work / "tree", os.O_PATH | os.O_DIRECTORY)
    with filesystem("direct").mount(MountRequest([Faulty(fd, work / "control")], read_only=False)) as lower:
        os.close(fd)
        move_mount(lower.fd, "", AT_FDCWD, work / "below")
        try:
            with mounted(transport, work / "mount", work / "below", read_only=False) as upper:
                yield work / "mount", lower, upper
        finally:
            umount2(work / "below", MNT_DETACH)


@both
def test_errors_of_a_backing_are_passed_on_as_they_are(transport: str, tmp_path: Path) -> None:
    with faulty(transport, tmp_path) as (place, _, upper):
        assert (place / "bad").read_text() == "bad"
        for number in (errno.EIO, errno.ESTALE, errno.EREMOTEIO, errno.ETIMEDOUT, errno.EDQUOT):
            (tmp_path / "control").write_text(str(number))
            with fails_with(number):
                (place / "bad").read_text()
            assert (place / "sound").read_text() == "sound"
        (tmp_path / "control").write_text("0")
        assert (place / "bad").read_text() == "bad", "it was a passing fault"
        assert upper.server is not None
        assert not select.select([upper.server], [], [], 0)[0]


@both
def test_a_backing_whose_own_server_dies_is_an_error_and_no_hanging(transport: str, tmp_path: Path) -> None:
    with faulty(transport, tmp_path) as (place, lower, _):
        opened = os.open(place / "sound", os.O_RDONLY)
        assert lower.server is not None
        signal.pidfd_send_signal(lower.server, signal.SIGKILL)
        assert select.select([lower.server], [], [], 5)[0]
        with fails_with(errno.ENOTCONN, errno.ECONNABORTED):
            (place / "other").stat()
        with fails_with(errno.ENOTCONN, errno.ECONNABORTED, errno.EIO):
            os.listdir(place)
        os.close(opened)


@both
def test_one_slow_file_keeps_others_waiting_but_not_for_ever(transport: str, tmp_path: Path) -> None:
    """Requests are answered one after the other. Who waits can be ended by Ctrl-C as soon as the answer is there."""
    with faulty(transport, tmp_path) as (place, _, _):
        (tmp_path / "control").write_text("1")
        with subprocess.Popen(["cat", place / "slow"], stdout=subprocess.DEVNULL) as waiting:
            time.sleep(0.3)
            waiting.send_signal(signal.SIGINT)
            assert (place / "sound").read_text() == "sound"
            assert waiting.wait(30) == -signal.SIGINT


@both
def test_a_session_ends_while_its_backing_does_not_answer(
    transport: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "PATIENCE", 0.5)
    with faulty(transport, tmp_path) as (place, _, _):
        (tmp_path / "control").write_text("100")
        waiting = subprocess.Popen(["cat", place / "slow"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.3)
    assert waiting.wait(30) != 0


@both
def test_a_backing_that_is_unmounted_outside_is_served_on(transport: str, tmp_path: Path) -> None:
    with tmpfs(tmp_path) as backing, mounted(transport, tmp_path / "mount", backing, read_only=False):
        (tmp_path / "mount/file").write_text("content")
        umount2(backing, MNT_DETACH)
        assert (tmp_path / "mount/file").read_text() == "content"
        (tmp_path / "mount/new").write_text("new")
        assert sorted(os.listdir(tmp_path / "mount")) == ["file", "new"]
        subprocess.run(["mount", "-t", "tmpfs", "cntr-faults", backing], check=True)  # for the block's end


@both
def test_files_that_vanish_outside_are_told_as_such(transport: str, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "dir").mkdir(parents=True)
    (tree / "dir/file").write_text("content")
    with mounted(transport, tmp_path / "mount", tree, read_only=False):
        opened = os.open(tmp_path / "mount/dir/file", os.O_RDONLY)
        inside = os.open(tmp_path / "mount/dir", os.O_RDONLY | os.O_DIRECTORY)
        subprocess.run(["rm", "-r", tree / "dir"], check=True)
        assert os.pread(opened, 10, 0) == b"content", "it was open"
        with fails_with(errno.ENOENT, errno.ESTALE):
            os.open("new", os.O_CREAT | os.O_WRONLY, dir_fd=inside)
        time.sleep(1.1)  # names are kept for a second
        assert os.listdir(tmp_path / "mount") == []
        with fails_with(errno.ENOENT):
            (tmp_path / "mount/dir/file").stat()
        os.close(opened)
        os.close(inside)


_WRITER = """
import os, sys
number = 0
while True:
    with open(f"{sys.argv[1]}/file-{number}", "w") as file:
        file.write(str(number) * 1000)
        file.flush()
        os.fsync(file.fileno())
    os.rename(f"{sys.argv[1]}/file-{number}", f"{sys.argv[1]}/done-{number}")
    print(number, flush=True)
    number += 1
"""


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("branched", [False, True], ids=["passthrough", "union"])
@both
def test_what_was_acknowledged_is_there_when_the_server_is_killed_while_busy(
    transport: str, branched: bool, how: signal.Signals, tmp_path: Path
) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    trees = branches(tmp_path, tree) if branched else [tree]
    with mounted(transport, tmp_path / "mount", *trees, read_only=False) as mount:
        assert mount.server is not None
        line = ["python3", "-c", _WRITER, tmp_path / "mount"]
        writer = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        lister = subprocess.Popen(
            ["sh", "-c", "while ls -l . >/dev/null; do :; done"], cwd=tmp_path / "mount", stderr=-3
        )
        assert writer.stdout is not None
        for _ in range(20):
            writer.stdout.readline()
        signal.pidfd_send_signal(mount.server, how)
        told = [int(number) for number in writer.stdout.read().split()]  # to the end: nobody hangs
        assert writer.wait(30)
        lister.wait(30)
        assert select.select([mount.server], [], [], 10)[0]
        with fails_with(errno.ENOTCONN, errno.ECONNABORTED):  # the latter for some moments after its end
            (tmp_path / "mount/any").stat()
    for number in range(max(told, default=19) + 1):
        assert (tree / f"done-{number}").read_text() == str(number) * 1000
