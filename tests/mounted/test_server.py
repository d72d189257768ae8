"""The serving process: what it holds, when it ends, and what happens to a mount without it."""

# ruff: noqa: ARG001, ARG002 - a branch, or a transport, need not look at all it is asked

from __future__ import annotations

import contextlib
import errno
import logging
import os
import select
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from cntr_plugins.fs.logic.stop import Stop, Stopper
from cntr_plugins.fs.server import served as serving

from cntr_core.filesystem import (
    AccessEvent,
    Branch,
    DirectoryTree,
    DirEntry,
    MountRequest,
    Node,
    Observer,
    OpenFile,
    Stat,
    Status,
)
from cntr_core.kernel.mounts import AT_FDCWD, MNT_DETACH, move_mount, umount2
from cntr_core.testing.processes import wait_until
from tests.mounted.mounting import filesystem, mounted, served

pytestmark = pytest.mark.requires("root", "fuse")

both = pytest.mark.parametrize("transport", ["direct", "pyfuse3"])


def server_pid(pidfd: int | None) -> int:
    assert pidfd is not None
    info = Path(f"/proc/self/fdinfo/{pidfd}").read_text()
    return int(next(line.split()[1] for line in info.splitlines() if line.startswith("Pid:")))


def open_files(pid: int) -> list[str]:
    links = []
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):  # the listing's own descriptor
            links.append(os.readlink(f"/proc/{pid}/fd/{fd}"))
    return links


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    path = tmp_path / "tree"
    path.mkdir()
    (path / "file").write_text("content")
    return path


@both
def test_a_killed_server_leaves_an_error_and_no_hanging_process(transport: str, tree: Path, tmp_path: Path) -> None:
    place = tmp_path / "mount"
    with mounted(transport, place, tree) as mount:
        assert (place / "file").read_text() == "content"
        busy = subprocess.Popen(["sh", "-c", "while cat file >/dev/null; do :; done"], cwd=place, stderr=-3)
        assert mount.server is not None
        signal.pidfd_send_signal(mount.server, signal.SIGKILL)
        assert select.select([mount.server], [], [], 2)[0], "its death is readable"
        with pytest.raises(OSError) as caught:
            (place / "other").stat()
        assert caught.value.errno in (errno.ENOTCONN, errno.ECONNABORTED)  # the latter for some moments
        busy.wait(10)


@both
def test_the_server_ends_with_the_process_that_mounted(transport: str, tree: Path) -> None:
    reading, writing = os.pipe()
    parent = os.fork()
    if not parent:
        try:
            with served(transport, tree) as mount:
                os.write(writing, str(server_pid(mount.server)).encode())
                signal.pause()
        finally:
            os._exit(1)
    pidfd = os.pidfd_open(int(os.read(reading, 20)))
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    assert select.select([pidfd], [], [], 5)[0]
    for fd in (reading, writing, pidfd):
        os.close(fd)


@both
def test_leaving_the_context_ends_everything(transport: str, tree: Path) -> None:
    before = os.listdir("/proc/self/fd")
    with served(transport, tree) as mount:
        pid = server_pid(mount.server)
        root = os.open(".", os.O_RDONLY, dir_fd=mount.fd)
        assert os.listdir(root) == ["file"]
        os.close(root)
    assert not os.path.exists(f"/proc/{pid}")
    assert os.listdir("/proc/self/fd") == before


@both
def test_the_server_ends_when_its_last_mount_is_gone(transport: str, tree: Path, tmp_path: Path) -> None:
    place = tmp_path / "mount"
    place.mkdir()
    with served(transport, tree) as mount:
        move_mount(mount.fd, "", AT_FDCWD, place)
        umount2(place, MNT_DETACH)
        copy = os.dup(mount.fd)
        os.close(copy)
        assert mount.server is not None
        assert not select.select([mount.server], [], [], 0.2)[0], "the descriptor keeps it alive"
        os.dup2(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC), mount.fd)
        assert select.select([mount.server], [], [], 5)[0]


@both
def test_only_the_server_holds_the_device_and_nothing_else_of_ours(transport: str, tree: Path, tmp_path: Path) -> None:
    secret = (tmp_path / "secret").open("w")
    with served(transport, tree) as mount:
        # Its first answer comes after it has closed what it does not need.
        os.stat("file", dir_fd=mount.fd)
        ours, theirs = open_files(os.getpid()), open_files(server_pid(mount.server))
    assert "/dev/fuse" not in ours
    assert "/dev/fuse" in theirs
    assert str(tmp_path / "secret") not in theirs
    secret.close()


@both
def test_a_request_too_many_for_the_descriptor_limit_is_served(transport: str, tree: Path, tmp_path: Path) -> None:
    """A hard limit of 64 descriptors, 500 files and directories, and a kernel that is told to forget them."""
    for number in range(250):
        (tree / f"d{number}/below").mkdir(parents=True)
        (tree / f"d{number}/below/f").write_text(str(number))
    child = os.fork()
    if not child:
        status = 1
        try:
            import resource

            resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
            with mounted(transport, tmp_path / "mount", tree, read_only=False):
                for _ in range(3):
                    for number in range(250):
                        path = tmp_path / f"mount/d{number}/below/f"
                        assert path.read_text() == str(number)
                        path.chmod(0o600)
                        os.listxattr(path.parent)
                    Path("/proc/sys/vm/drop_caches").write_text("2")
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


class Recorder(Observer):
    """Writes what it sees into a pipe."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def descriptors(self) -> Sequence[int]:
        return [self.fd]

    def saw(self, event: AccessEvent) -> None:
        os.write(self.fd, b"%d %s %s %d\n" % (event.pid, event.operation.encode(), event.path, event.errno))


@both
def test_an_observer_sees_who_did_what_and_also_what_was_only_listed(
    transport: str, tree: Path, tmp_path: Path
) -> None:
    (tree / "d").mkdir()
    (tree / "d/listed").write_text("")
    (tree / "link").symlink_to("d/listed")
    reading, writing = os.pipe()
    place = tmp_path / "mount"
    with mounted(transport, place, tree, observer=Recorder(writing)):
        shell = subprocess.Popen(["sh", "-c", "cat file; ls -l d >/dev/null; cat link absent"], cwd=place, stderr=-3)
        shell.wait()
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        seen = [line.split() for line in pipe.read().splitlines()]
    events = {(operation, path, number) for _, operation, path, number in seen}
    assert (b"open", b"/file", b"0") in events
    assert (b"readlink", b"/link", b"0") in events
    assert (b"lookup", b"/d/listed", b"0") in events, "`ls -l` looked at it"
    assert (b"lookup", b"/absent", b"2") in events
    assert all(int(pid) > 0 for pid, operation, _, _ in seen if operation == b"open")


class Numbers(Branch[Node]):
    """A third party's branch: a directory of two files, one of which fails in an unforeseen way."""

    def __init__(self) -> None:
        self._root = Node("root", 2, None, b"")

    @property
    def root(self) -> Node:
        return self._root

    def descriptors(self) -> Sequence[int]:
        return ()

    def lookup(self, parent: Node, name: bytes) -> tuple[Node, Stat]:
        if name == b"broken":
            raise LookupError("a programmer's mistake")
        if name != b"one":
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        node = Node("one", 3, parent, name)
        return node, self.stat(node)

    def stat(self, node: Node) -> Stat:
        mode, size = (0o40755, 0) if node is self._root else (0o100644, 3)
        return Status(mode, 1, 0, 0, 0, size, 0, 4096, 1, -1, 1)

    def readlink(self, node: Node) -> bytes:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    def list(self, node: Node) -> Sequence[DirEntry]:
        return [DirEntry(b"one", 3, 0o100000)]

    def open(self, node: Node, flags: int) -> OpenFile:
        return _One()


class _One(OpenFile):
    def read(self, size: int, offset: int) -> bytes:
        return b"one"[offset : offset + size]

    def close(self) -> None:
        pass


@both
@pytest.mark.parametrize("immutable", [False, True])
def test_a_branch_of_a_third_party_is_served_and_its_mistakes_are_io_errors(
    transport: str, immutable: bool, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    handler = logging.StreamHandler(open(2, "w", closefd=False))  # noqa: SIM115 - stderr stays open
    logging.getLogger("cntr_plugins").addHandler(handler)
    with filesystem(transport).mount(MountRequest([Numbers()], immutable=immutable)) as mount:
        move_mount(mount.fd, "", AT_FDCWD, tmp_path)
        try:
            for _ in range(2):
                assert os.listdir(tmp_path) == ["one"]
                assert (tmp_path / "one").read_text() == "one"
            assert (tmp_path / "one").stat().st_mtime_ns == -1
            with pytest.raises(OSError) as caught:
                (tmp_path / "broken").stat()
            assert caught.value.errno == errno.EIO
            assert (tmp_path / "one").read_text() == "one", "the mount lives on"
        finally:
            umount2(tmp_path, MNT_DETACH)
    logging.getLogger("cntr_plugins").removeHandler(handler)
    assert "a programmer's mistake" in capfd.readouterr().err


@both
def test_the_server_is_not_reached_by_the_terminals_signals(transport: str, tree: Path) -> None:
    with served(transport, tree) as mount:
        pid = server_pid(mount.server)
        time.sleep(0.05)
        os.stat("file", dir_fd=mount.fd)
        assert os.getsid(pid) == pid


def test_a_server_that_misses_the_signal_to_end_gets_another(tree: Path, tmp_path: Path) -> None:
    """As one does that comes between Python's look at signals and the call that waits."""
    begun, ended = tmp_path / "begun", tmp_path / "ended"

    def serve(device: int, operations: object, policy: object, stopper: Stopper, notifier: object) -> None:
        signal.signal(signal.SIGTERM, lambda *_: signal.signal(signal.SIGTERM, stopper.stop))
        begun.touch()
        try:
            stopper.wait()
            select.select([], [], [])
        except Stop:
            ended.touch()

    fd = os.open(tree, os.O_PATH | os.O_DIRECTORY)
    with serving(MountRequest([DirectoryTree(fd)]), serve):
        wait_until(begun.exists, "it has begun")
    os.close(fd)
    assert ended.exists(), "it was killed"
