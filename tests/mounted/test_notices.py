"""A server that dies while the kernel cannot be told of a change yet: whoever waits for an answer gets an error."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from cntr_plugins.fs.logic.descriptors import FileNode
from cntr_plugins.fs.logic.directory import DirectoryBranch
from cntr_plugins.fs.logic.listener import listen
from cntr_plugins.fs.logic.notifier import Notifier
from cntr_plugins.fs.logic.operations import Operations
from cntr_plugins.fs.logic.policy import Policy
from cntr_plugins.fs.logic.stop import Stopper
from cntr_plugins.fs.logic.timeouts import Timeouts
from cntr_plugins.fs.server import served

from cntr_core.filesystem import DirectoryTree, MountRequest, ServedMount
from cntr_core.kernel.mounts import AT_FDCWD, MNT_DETACH, DetachedMount, move_mount, umount2
from cntr_core.kernel.syscall import owned
from tests.mounted.mounting import filesystem, mounted

pytestmark = pytest.mark.requires("root", "fuse")

_PATIENCE = 10.0


class _Slow(DirectoryBranch):
    """A directory that never answers for the name `slow`, and tells that it was asked."""

    def __init__(self, fd: int, told: int) -> None:
        super().__init__(fd, writable=False)
        self._told = told

    def descriptors(self) -> Collection[int]:
        return (*super().descriptors(), self._told)

    def lookup(self, parent: FileNode, name: bytes) -> tuple[FileNode, os.stat_result]:
        if name == b"slow":
            os.write(self._told, b"asked")
            time.sleep(1000)
        return super().lookup(parent, name)


def _abort(device: int) -> None:
    """Fail all requests of a connection, where it still exists (fs/fuse/control.c)."""
    with (
        DetachedMount.new("fusectl") as control,
        suppress(FileNotFoundError),
        owned(os.open(f"{device}/abort", os.O_WRONLY, dir_fd=control.fd)) as abort,
    ):
        os.write(abort, b"1")


@contextmanager
def _slow_mount(transport: str, tree: Path, place: Path) -> Iterator[tuple[ServedMount, int]]:
    """A mount of the tree, and a pipe that tells of the slow name. Whatever hangs there in the end is set free."""
    reading, writing = os.pipe()
    fd = os.open(tree, os.O_PATH | os.O_DIRECTORY)
    with filesystem(transport).mount(MountRequest([_Slow(fd, writing)])) as mount:
        move_mount(mount.fd, "", AT_FDCWD, place)
        device = os.minor(place.stat().st_dev)
        try:
            yield mount, reading
        finally:
            _abort(device)
            umount2(place, MNT_DETACH)
    for opened in (reading, writing, fd):
        os.close(opened)


def _wait_until(reached: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + _PATIENCE
    while not reached():
        assert time.monotonic() < end, what
        time.sleep(0.01)


def _stays_uninterruptible(pid: int) -> bool:
    """Whether a thread of the process is in state D (proc_pid_stat(5)), and not just for a moment."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        for _ in range(20):
            if (task / "stat").read_text().rpartition(")")[2].split()[0] != "D":
                break
            time.sleep(0.005)
        else:
            return True
    return False


def _children() -> list[int]:
    """Those that live: what a killed process of another test left behind may have come to this one, and waits for ever
    to be reaped."""
    pids = [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]
    return [pid for pid in pids if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"]


def _name(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text().strip()


def _asks(path: Path) -> subprocess.Popen[bytes]:
    """A process that waits for the server's answer about a path."""
    return subprocess.Popen(["/usr/bin/stat", path], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _waits_for_answer(process: subprocess.Popen[bytes]) -> bool:
    return Path(f"/proc/{process.pid}/wchan").read_text() in ("request_wait_answer", "fuse_simple_request")


@pytest.mark.parametrize("transport", ["direct", "pyfuse3"])
@pytest.mark.parametrize("changed", ["asked", "queued"])
def test_a_server_killed_while_a_notice_waits_leaves_an_error_and_no_hanging_process(
    changed: str, transport: str, tmp_path: Path
) -> None:
    """The notice waits for the lock of a directory, which one holds who has asked for a name there: the server has
    read that request, or has not yet."""
    tree, place = tmp_path / "tree", tmp_path / "place"
    place.mkdir()
    for name in ("asked", "queued"):
        (tree / name).mkdir(parents=True)
        (tree / name / "known").touch()
    with _slow_mount(transport, tree, place) as (mount, told):
        for name in ("asked", "queued"):
            (place / name / "known").stat()
        clients = [_asks(place / "asked/slow")]
        os.read(told, 5)
        clients.append(_asks(place / "queued/other"))
        _wait_until(lambda: _waits_for_answer(clients[1]), "the second client asks")
        (tree / changed / "known").unlink()
        ours = [pid for pid in _children() if _name(pid).startswith("cntr-fs")]
        _wait_until(lambda: any(map(_stays_uninterruptible, ours)), "the notice waits")
        assert mount.server is not None
        signal.pidfd_send_signal(mount.server, signal.SIGKILL)
        for client in clients:
            assert client.wait(_PATIENCE) == 1
        assert select.select([mount.server], [], [], _PATIENCE)[0]


@pytest.mark.parametrize("transport", ["direct", "pyfuse3"])
def test_a_server_ends_that_could_not_tell_of_a_change_any_more(transport: str, tmp_path: Path) -> None:
    """What the kernel keeps for ever would be wrong from then on."""
    tree, place = tmp_path / "tree", tmp_path / "place"
    tree.mkdir()
    with mounted(transport, place, tree) as mount:
        assert mount.server is not None
        assert not (place / "new").exists()
        _wait_until(lambda: "cntr-fs-notices" in map(_name, _children()), "the notifier has begun")
        [notifier] = [pid for pid in _children() if _name(pid) == "cntr-fs-notices"]
        os.kill(notifier, signal.SIGTERM)  # which does nothing
        assert not select.select([mount.server], [], [], 0.2)[0]
        os.kill(notifier, signal.SIGKILL)
        assert select.select([mount.server], [], [], _PATIENCE)[0]
        with pytest.raises(OSError, match="endpoint"):
            (place / "new").stat()


def test_a_server_without_notifier_that_misses_the_signal_to_end_gets_another(tmp_path: Path) -> None:
    """As one does that comes between Python's look at signals and the call that waits."""

    def serve(_device: int, operations: Operations[Any], policy: Policy, stopper: Stopper, notifier: Notifier) -> None:
        signal.signal(signal.SIGTERM, lambda *_: signal.signal(signal.SIGTERM, stopper.stop))
        listen(notifier, operations, Timeouts(operations, policy, notifier))
        stopper.wait()
        select.select([], [], [])

    fd = os.open(tmp_path, os.O_PATH | os.O_DIRECTORY)
    with served(MountRequest([DirectoryTree(fd)]), serve) as mount:
        assert mount.server is not None
        _wait_until(lambda: "cntr-fs-notices" in map(_name, _children()), "the notifier has begun")
        [notifier] = [pid for pid in _children() if _name(pid) == "cntr-fs-notices"]
        os.kill(notifier, signal.SIGKILL)
        assert select.select([mount.server], [], [], _PATIENCE)[0]
    os.close(fd)
