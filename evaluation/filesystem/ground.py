"""Where it is measured: an ext4 with journal in memory, and the files that are read there."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from cntr_core.kernel.mounts import MNT_DETACH, umount2


@dataclass(frozen=True, slots=True)
class Size:
    """How much is done. `big`, `file` and `disk` are in bytes; `names` is how many the tree has in all but its Python;
    `pause` is how many seconds pass between warming and measuring."""

    name: str
    names: int
    big: int
    file: int
    count: int
    tarball: int
    seconds: int
    disk: int
    pause: float


FULL = Size("full", 10_000, 256 << 20, 64 << 20, 1000, tarball=1388, seconds=1, disk=4 << 30, pause=1.1)
QUICK = Size("quick", 200, 2 << 20, 1 << 20, 30, tarball=40, seconds=1, disk=512 << 20, pause=0)


@dataclass(frozen=True, slots=True)
class Ground:
    """A directory with ``tree``, which is read only, and ``work``, which has a directory for each way; `kind` says
    what filesystem it lies on."""

    path: str
    kind: str
    size: Size

    @property
    def python(self) -> str:
        """The interpreter that has its library in the tree, from the ground's path."""
        return "tree/python/bin/python3"


@contextmanager
def ground(size: Size) -> Iterator[Ground]:
    """A new one. For a process in a mount namespace of its own."""
    memory = "/dev/shm" if os.path.ismount("/dev/shm") else "/var/tmp"
    with tempfile.TemporaryDirectory(prefix="cntr-filesystem-", dir=memory) as place:
        path = os.path.join(place, "ground")
        os.mkdir(path)
        kind = _ext4(place, path, size.disk)
        os.chmod(path, 0o755)
        os.chmod(place, 0o755)
        try:
            _fill(path, size)
            yield Ground(path, kind, size)
        finally:
            if kind.startswith("ext4"):
                umount2(path, MNT_DETACH)


def _ext4(place: str, path: str, bytes_of_disk: int) -> str:
    """Mount an ext4 at `path`; where loop devices are not to be had it stays what it is."""
    image = os.path.join(place, "ext4")
    with open(image, "wb") as file:
        file.truncate(bytes_of_disk)
    make = ["mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", image]
    try:
        subprocess.run(make, check=True, capture_output=True)
        subprocess.run(["mount", "-o", "loop", image, path], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return "a directory in memory, for no loop device is to be had"
    return "ext4 with journal, on a loop device over a file in memory"


def write_back(path: str) -> None:
    """Write back the filesystem of `path` alone (syncfs(2)): others on the machine have disks that take long."""
    subprocess.run(["sync", "--file-system", path], check=True)


def drop_caches(path: str) -> None:
    """Write back the filesystem of `path`, and forget all pages, names and inodes (drop_caches in proc(5))."""
    write_back(path)
    with open("/proc/sys/vm/drop_caches", "w") as file:
        file.write("3\n")


def _fill(path: str, size: Size) -> None:
    tree = os.path.join(path, "tree")
    os.makedirs(os.path.join(path, "work"))
    make_files(os.path.join(tree, "files"), size.names)
    make_big(os.path.join(tree, "big"), size.big)
    _python(os.path.join(tree, "python"), small=size is QUICK)
    _tarball(path, size)
    _repository(os.path.join(tree, "git"), size.names // 10)


def make_files(path: str, names: int) -> None:
    """A tree of so many names: 20 files a directory, of 0 to 8 kB, the same ones at each call."""
    known = random.Random(names)
    for number in range(max(1, names // 21)):
        folder = os.path.join(path, f"d{number // 20}", f"d{number}")
        os.makedirs(folder)
        for file in range(20):
            with open(os.path.join(folder, f"file{file}.c"), "wb") as out:
                out.write(b"int answer;\n" * known.randrange(680))


def make_big(path: str, length: int) -> None:
    """A file that cannot be compressed."""
    known = random.Random(length)
    with open(path, "wb") as file:
        for _ in range(length >> 20):
            file.write(known.randbytes(1 << 20))


def _python(path: str, *, small: bool) -> None:
    """Debian's interpreter with a library of its own beside it, which it finds by its own path (``sys.prefix``)."""
    binary = os.path.realpath("/usr/bin/python3")
    library = f"/usr/lib/{os.path.basename(binary)}"
    os.makedirs(os.path.join(path, "bin"))
    shutil.copy2(binary, os.path.join(path, "bin/python3"))
    wanted = os.path.join(path, "lib", os.path.basename(binary))
    skipped = ["test", "idlelib", "config-*", "lib2to3", "dist-packages"]
    skipped += ["asyncio", "ensurepip", "unittest", "xml", "email", "distutils"] if small else []
    shutil.copytree(library, wanted, ignore=shutil.ignore_patterns(*skipped), symlinks=True)


def _tarball(path: str, size: Size) -> None:
    """Files to unpack, as a tar and as they are."""
    make_files(os.path.join(path, "tree/source"), size.tarball)
    line = ["tar", "-C", os.path.join(path, "tree"), "-cf", os.path.join(path, "tree/source.tar"), "source"]
    subprocess.run(line, check=True)


def _repository(path: str, names: int) -> None:
    """A git repository, where there is git."""
    if shutil.which("git") is None:
        return
    make_files(path, names)
    identity = ["-c", "user.name=nobody", "-c", "user.email=nobody@example.org", "-c", "gc.auto=0"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "all"]):
        subprocess.run(["git", "-C", path, *identity, *words], check=True, capture_output=True)
