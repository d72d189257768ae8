"""What the serving process keeps of the files that were looked at, and that the kernel is told to forget the rest."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cntr_plugins.fs.logic import pruning

from cntr_core.kernel.mounts import AT_FDCWD, MNT_DETACH, DetachedMount, move_mount, umount2
from tests.mounted.mounting import mounted
from tests.mounted.test_server import server_pid

pytestmark = pytest.mark.requires("root", "fuse")

both = pytest.mark.parametrize("transport", ["direct", "pyfuse3"])
KNOWN, AT_ONCE = 2000, 500
FILES = 80_000


@pytest.fixture(scope="module")
def tree() -> Iterator[Path]:
    """So many files, in a file system without a disk. About ten megabytes stay, however many they are: of half as many
    it would be too large a part to tell anything."""
    place = Path(f"/dev/shm/cntr-memory-{os.getpid()}")
    for number in range(FILES // 100):
        directory = place / f"directory-{number}"
        directory.mkdir(parents=True)
        for below in range(100):
            (directory / f"file-{below}").touch()
    yield place
    subprocess.run(["rm", "-r", place], check=True)


def resident(pid: int) -> int:
    """Bytes."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmRSS:"))) * 1024


def walk(place: Path) -> None:
    found = subprocess.run(["find", place, "-type", "f", "-size", "0"], stdout=subprocess.PIPE, check=True, timeout=120)
    assert found.stdout.count(b"\n") == FILES


def wait_for(condition: Callable[[], bool]) -> bool:
    """Whether it comes true within half a minute: the kernel forgets when it likes."""
    end = time.monotonic() + 30
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


@pytest.mark.parametrize(("branches", "most"), [(1, 700), (2, 1000)], ids=["passthrough", "union"])
@both
def test_a_path_costs_little_and_is_given_back(
    transport: str, branches: int, most: int, tree: Path, tmp_path: Path
) -> None:
    """Measured: 420 bytes a path, and 560 in a union. Nearly twice as much is too much."""
    trees = [tree]
    if branches == 2:
        (tmp_path / "top").mkdir()
        trees.insert(0, tmp_path / "top")
    with mounted(transport, tmp_path / "mount", *trees, read_only=False) as mount:
        os.listdir(tmp_path / "mount")
        pid = server_pid(mount.server)
        before = resident(pid)
        walk(tmp_path / "mount")
        grown = resident(pid) - before
        assert grown < FILES * most, f"{grown / FILES:.0f} bytes a path"

        def is_given_back() -> bool:
            Path("/proc/sys/vm/drop_caches").write_text("2")  # once is not enough, where the kernel has just used them
            return resident(pid) - before < grown * 0.6

        assert wait_for(is_given_back), f"{resident(pid) - before} of {grown} bytes"


@pytest.mark.requires("linux-6.18")
@both
def test_the_kernel_forgets_what_is_too_much_and_keeps_what_is_used(
    transport: str, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruning, "MOST_KNOWN", KNOWN)
    monkeypatch.setattr(pruning, "_AT_ONCE", AT_ONCE)
    place = tmp_path / "mount"
    (tree / "directory-0/file-0").write_text("")
    with mounted(transport, place, tree, read_only=False) as mount:
        pid = server_pid(mount.server)
        used = place / "directory-1"
        with DetachedMount.clone(AT_FDCWD, "/proc/sys") as other:
            move_mount(other.fd, "", AT_FDCWD, used)  # a mount below ours
        opened = os.open(place / "directory-2/file-1", os.O_RDONLY)
        inside = os.open(place / "directory-3", os.O_RDONLY | os.O_DIRECTORY)
        numbers = os.fstat(opened).st_ino, os.fstat(inside).st_ino
        before = resident(pid)
        for _ in range(2):
            subprocess.run(["find", place, "-xdev", "-size", "+0"], check=True, timeout=120, stdout=subprocess.DEVNULL)
        assert wait_for(lambda: resident(pid) - before < 6 << 20), f"{resident(pid) - before} bytes more"
        assert os.listdir(used), "what is mounted on a file that was to be forgotten"
        umount2(used, MNT_DETACH)
        assert (os.fstat(opened).st_ino, os.fstat(inside).st_ino) == numbers
        assert os.stat("file-1", dir_fd=inside).st_size == 0
        assert (place / "directory-2/file-1").stat().st_ino == numbers[0]
        os.close(opened)
        os.close(inside)
        walk(place)
