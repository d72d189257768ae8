"""What is measured: 24 workloads of reading, and of making and removing files.

Before each the mount is new, and then, by its state: *cold*, nothing is in the kernel's caches, of the files below
neither; *backing warm*, the files below were used just now, not through this mount; *warm*, all was done once through
the mount already, more than a second ago, which is how long a mount without any better knowledge keeps it.
"""

from __future__ import annotations

import enum
import json
import os
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .ground import Size


class State(enum.StrEnum):
    """What the kernel has in its caches when it starts."""

    COLD = "cold"
    BACKING = "backing warm"
    WARM = "warm"


class Part(enum.StrEnum):
    """What a workload is counted with."""

    READ_ONLY = "reading"
    WRITABLE = "writing"
    DISK = "disk suite"
    LEVERS = "levers"


@dataclass(frozen=True, slots=True)
class Place:
    """A way's view of the ground: its path, the directory of its own, and how much is to be done."""

    root: str
    own: str
    size: Size

    def tree(self, name: str) -> str:
        """The path of something that is read only."""
        return os.path.join(self.root, "tree", name)

    def work(self, name: str = "") -> str:
        """The path of something of the way's own."""
        return os.path.join(self.root, "work", self.own, name)


_LONGEST = 120.0  # seconds that a program may take

Work = Callable[[Place], float | None]
"""Does it. What it returns is a rate, more of which is better; None where the time counts that it takes."""


def nothing(_place: Place) -> None:
    """What most workloads need before they start."""


@dataclass(frozen=True, slots=True)
class Workload:
    """One workload. `prepare` is done before, through the mount, and `made` natively, neither is timed; `needs` are
    programs; `by` says what does it, where the name does not; `long` is left out of quick runs."""

    name: str
    part: Part
    state: State
    run: Work
    prepare: Callable[[Place], object] = nothing
    made: Callable[[Place], object] = nothing
    needs: tuple[str, ...] = ()
    by: str = ""
    long: bool = False

    @property
    def writes(self) -> bool:
        """Whether it needs a way that can be written to."""
        return self.part is not Part.READ_ONLY


def run(*words: str, cwd: str | None = None, text: str = "", **more: str) -> str:
    """Run a program; what it prints.

    :raises subprocess.SubprocessError: it failed, or hangs.
    """
    environment = {**os.environ, **more}
    done = subprocess.run(
        words, cwd=cwd, env=environment, input=text, capture_output=True, text=True, check=True, timeout=_LONGEST
    )
    return done.stdout


def _find(place: Place) -> None:
    run("find", place.tree(""), "-size", "+100000k")


def _stat(place: Place) -> None:
    for path in _names(place):
        os.lstat(path)


def _names(place: Place) -> Sequence[str]:
    """The paths of the tree of files, found natively: they are the same each time."""
    folders = range(max(1, place.size.names // 21))
    top = place.tree("files")
    return [f"{top}/d{number // 20}/d{number}/file{file}.c" for number in folders for file in range(20)]


def _tar(place: Place) -> None:
    run("sh", "-c", 'tar -C "$1" -cf - . | cat >/dev/null', "sh", place.tree("files"))


def _md5sum(place: Place) -> None:
    run("sh", "-c", 'find "$1" -type f -exec md5sum {} + >/dev/null', "sh", place.tree("source"))


def _git_status(place: Place) -> None:
    run("git", "--no-optional-locks", "-C", place.tree("git"), "status", "--short")


def _python(place: Place) -> None:
    run(place.tree("python/bin/python3"), "-B", "-c", "import json, argparse, subprocess, logging, decimal")


def read_big(place: Place) -> None:
    """All of the big file, 128 kB at a time."""
    fd = os.open(place.tree("big"), os.O_RDONLY)
    try:
        while os.read(fd, 1 << 17):
            pass
    finally:
        os.close(fd)


def _create(place: Place) -> None:
    for number in range(place.size.count):
        os.close(os.open(place.work(f"f{number}"), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))


def _unlink(place: Place) -> None:
    for number in range(place.size.count):
        os.unlink(place.work(f"f{number}"))


def _untar(place: Place) -> None:
    run("tar", "-C", place.work(), "-xf", place.tree("source.tar"))


def _remove(place: Place) -> None:
    run("rm", "-r", place.work("source"))


def _grep(place: Place) -> None:
    run("sh", "-c", 'grep -r nowhere "$1" || [ $? = 1 ]', "sh", place.tree("source"))


def _copy(place: Place) -> None:
    run("cp", "-r", place.tree("source"), place.work("copy"))


def fio(place: Place, *words: str) -> float:
    """The MB a second of a job of fio in the way's directory, by its own clock: it takes long to start.

    :raises ValueError: nothing was done.
    """
    line = ["fio", "--name=job", f"--directory={place.work()}", "--output-format=json", "--fallocate=none"]
    line += ["--invalidate=0", *words]  # it would empty the cache natively, and not that of the file below a mount
    job = json.loads(run(*line))["jobs"][0]
    rate = (job["read"]["bw_bytes"] + job["write"]["bw_bytes"]) / 1e6
    if not rate:
        raise ValueError("fio did nothing")
    return float(rate)


def _lay_out(place: Place) -> float:
    return fio(place, "--rw=write", "--bs=1M", f"--size={place.size.file}", "--filename=data")


def _random(kind: str) -> Work:
    def work(place: Place) -> float:
        return fio(place, f"--rw={kind}", "--bs=4k", f"--size={place.size.file}", "--filename=data")

    return work


def _dd(*words: str) -> Work:
    def work(place: Place) -> None:
        count = max(1, place.size.big >> 20)
        run("dd", "if=/dev/zero", f"of={place.work('zero')}", "bs=1M", f"count={count}", *words)

    return work


_COMPILED = 3
_SOURCE = "".join(f"int f{n}(int a) {{ return a * {n} + (a ? f{n - 1}(a - 1) : 0); }}\n" for n in range(1, 60))


def _sources(place: Place) -> None:
    for number in range(_COMPILED):
        with open(place.work(f"c{number}.c"), "w", encoding="utf-8") as file:
            file.write(f"#include <stdio.h>\n#include <stdlib.h>\nint f0(int a) {{ return a; }}\n{_SOURCE}")


def _compile(place: Place) -> None:
    run("gcc", "-O1", "-c", *(f"c{number}.c" for number in range(_COMPILED)), cwd=place.work(), TMPDIR=place.work())


_ROWS = "insert into t values (random(), hex(randomblob(40)));"


def sqlite(place: Place, transactions: int, rows: int) -> None:
    """So many transactions of so many rows each, in a database of its own."""
    one = f"begin;{_ROWS * rows}commit;"
    run("sqlite3", place.work("base"), text="create table t (a integer primary key, b text);" + one * transactions)


def postmark(place: Place, files: int, transactions: int) -> None:
    """The mail server's workload."""
    words = [f"set location {place.work()}", f"set number {files}", f"set transactions {transactions}"]
    run("postmark", text="\n".join([*words, "set size 500 10000", "run", "quit"]) + "\n")


_R, _W = Part.READ_ONLY, Part.WRITABLE
_COLD, _BACKING, _WARM = State.COLD, State.BACKING, State.WARM

COMMON = (
    Workload("find, cold", _R, _COLD, _find),
    Workload("find, warm", _R, _WARM, _find),
    Workload("stat of all names", _R, _WARM, _stat, by="lstat(2) in a loop"),
    Workload("tar", _R, _COLD, _tar),
    Workload("md5sum", _R, _BACKING, _md5sum),
    Workload("git status", _R, _WARM, _git_status, needs=("git",)),
    Workload("python start, cold", _R, _COLD, _python),
    Workload("python start, warm", _R, _WARM, _python),
    Workload("read a big file, cold", _R, _COLD, read_big, by="read(2) of 128 kB"),
    Workload("read a big file, backing warm", _R, _BACKING, read_big, by="read(2) of 128 kB"),
    Workload("read a big file, warm", _R, _WARM, read_big, by="read(2) of 128 kB"),
    Workload("create files", _W, _BACKING, _create, by="open(2) with O_CREAT, and close(2)"),
    Workload("unlink files", _W, _BACKING, _unlink, prepare=_create, by="unlink(2)"),
    Workload("untar", _W, _BACKING, _untar),
    Workload("rm -r", _W, _BACKING, _remove, prepare=_untar),
    Workload("grep -r", _W, _BACKING, _grep),
    Workload("cp -r", _W, _BACKING, _copy),
    Workload("4 kB random reads", _W, _BACKING, _random("randread"), prepare=_lay_out, needs=("fio",), by="fio"),
    Workload("4 kB random writes", _W, _BACKING, _random("randwrite"), prepare=_lay_out, needs=("fio",), by="fio"),
    Workload("write a big file", _W, _BACKING, _dd(), by="dd, 1 MB at a time"),
    Workload("write and sync a big file", _W, _BACKING, _dd("conv=fsync"), by="dd conv=fsync"),
    Workload("compile", _W, _BACKING, _compile, prepare=_sources, needs=("gcc",), by="gcc, three files"),
    Workload(
        "sqlite",
        _W,
        _BACKING,
        lambda place: sqlite(place, max(2, place.size.count // 50), 50),
        needs=("sqlite3",),
        by="20 transactions of 50 rows",
    ),
    Workload(
        "postmark",
        _W,
        _BACKING,
        lambda place: postmark(place, place.size.count // 2, place.size.count),
        needs=("postmark",),
    ),
)
