"""The paper's 20 workloads, of the Phoronix disk suite: by the same programs where Debian has them, else by others that
do the like, which `by` names."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from .ground import make_files
from .workloads import Part, Place, State, Workload, fio, postmark, run, sqlite

_PORT = "18080"
_DBENCH = re.compile(r"^ [A-Z]\w+ +(\d+) +[\d.]+ +[\d.]+$", re.MULTILINE)
_TPS = re.compile(r"^tps = ([\d.]+)", re.MULTILINE)
_REQUESTS = re.compile(r"^Requests per second:\s+([\d.]+)", re.MULTILINE)
_FS_MARK = re.compile(r"^\s*\d+\s+\d+\s+\d+\s+([\d.]+)", re.MULTILINE)


def _rate(pattern: re.Pattern[str], text: str) -> float:
    """The last rate that a program printed.

    :raises ValueError: it printed none, or nothing was done.
    """
    found = [float(value) for value in pattern.findall(text)]
    if not found or not found[-1]:
        raise ValueError("no rate was printed")
    return found[-1]


def _fio(*words: str, name: str = "data") -> Callable[[Place], float]:
    def work(place: Place) -> float:
        return fio(place, f"--size={place.size.file}", f"--filename={name}", *words)

    return work


def _threads(kind: str) -> Callable[[Place], float]:
    """Four threads, each with a quarter of the file."""

    def work(place: Place) -> float:
        quarter = f"--size={place.size.file // 4}"
        return fio(place, f"--rw={kind}", "--bs=64k", quarter, "--numjobs=4", "--thread", "--group_reporting")

    return work


def _dbench(clients: int) -> Callable[[Place], float]:
    """How many operations it counts in a second; its own rate leaves out the first seconds, here all."""

    def work(place: Place) -> float:
        words = ["dbench", "-D", place.work(), "-t", str(place.size.seconds), str(clients)]
        return sum(map(int, _DBENCH.findall(run(*words)))) / place.size.seconds

    return work


def _apache(place: Place) -> float:
    """ab(1) asks a web server for one page, again and again."""
    Path(place.work("index.html")).write_bytes(b"<p>page</p>\n" * 400)
    server = subprocess.Popen(["busybox", "httpd", "-f", "-p", f"127.0.0.1:{_PORT}", "-h", place.work()])
    try:
        time.sleep(0.1)
        count = str(place.size.count * 2)
        return _rate(_REQUESTS, run("ab", "-q", "-n", count, "-c", "10", f"http://127.0.0.1:{_PORT}/index.html"))
    finally:
        server.kill()
        server.wait()


def _kernel_tree(place: Place) -> None:
    make_files(place.work("kernel"), place.size.count)


def _objects(place: Place) -> None:
    """What a compiler does to a tree, without its CPU: each source is read, and an object written beside it."""
    for source in _files(place.work("kernel")):
        data = source.read_bytes()
        source.with_suffix(".o").write_bytes(data * 2)


def _read_tree(place: Place) -> None:
    for source in _files(place.work("kernel")):
        source.read_bytes()


def _files(path: str) -> Iterator[Path]:
    for folder, _, names in os.walk(path):
        for name in names:
            yield Path(folder, name)


def _fs_mark(place: Place) -> float:
    """By a relative path, for it takes none of 40 bytes or more."""
    words = ["fs_mark", "-d", "mark", "-n", str(place.size.count // 5), "-s", "65536", "-l", "log"]
    return _rate(_FS_MARK, run(*words, cwd=place.work()))


def _gzip(place: Place) -> None:
    run("sh", "-c", 'gzip -1 <"$1" >"$2"', "sh", place.work("plain"), place.work("plain.gz"))


def _plain(place: Place) -> None:
    Path(place.work("plain")).write_bytes(b"a line of the log, and one like all others\n" * (place.size.file // 100))


def _unpack(place: Place) -> None:
    run("tar", "-C", place.work(), "-xf", place.tree("source.tar"))


_POSTGRES = "/usr/lib/postgresql"


def _postgres(program: str) -> str:
    """The path of a program of the newest PostgreSQL."""
    newest = max(os.listdir(_POSTGRES), key=lambda name: int(name) if name.isdecimal() else 0)
    return os.path.join(_POSTGRES, newest, "bin", program)


def _as_postgres(*words: str) -> str:
    return run("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", *words, cwd="/")


def _make_database(place: Place) -> None:
    """Made natively, once a way."""
    os.chmod(place.work(), 0o777)
    _as_postgres(_postgres("initdb"), "-D", place.work("data"), "--no-sync", "-A", "trust", "--locale=C")


@contextmanager
def _database(place: Place) -> Iterator[None]:
    settings = f"-c listen_addresses= -c unix_socket_directories={place.work()}"
    control = [_postgres("pg_ctl"), "-D", place.work("data"), "-w", "-l", place.work("log")]
    _as_postgres(*control, "-o", settings, "start")
    try:
        yield
    finally:
        _as_postgres(*control, "-m", "immediate", "stop")


def _pgbench(place: Place) -> float:
    """TPC-B, as pgbench has it, by one client."""
    bench = [_postgres("pgbench"), "-h", place.work(), "postgres"]
    with _database(place):
        _as_postgres(*bench, "-i", "-q", "-s", "1")
        return _rate(_TPS, _as_postgres(*bench, "-c", "1", "-T", str(place.size.seconds)))


def _disk(
    name: str,
    work: Callable[[Place], float | None],
    by: str,
    *needs: str,
    prepare: Callable[[Place], object] | None = None,
    made: Callable[[Place], object] | None = None,
    long: bool = False,
) -> Workload:
    more = {"prepare": prepare} if prepare else {}
    more |= {"made": made} if made else {}
    return Workload(name, Part.DISK, State.BACKING, work, needs=needs, by=by, long=long, **more)


_AIO = ("--ioengine=libaio", "--rw=write", "--bs=64k", "--iodepth=16", "--direct=1")
_OURS = "our own, in its manner"

DISK = (
    _disk("AIO-Stress", _fio(*_AIO), "fio, libaio, 64 kB, O_DIRECT", "fio"),
    _disk("Apache bench", _apache, "ab, to busybox httpd", "ab", "busybox"),
    _disk("Compilebench create", _kernel_tree, _OURS),
    _disk("Compilebench compile", _objects, _OURS, prepare=_kernel_tree),
    _disk("Compilebench read", _read_tree, _OURS, made=_kernel_tree),
    *(_disk(f"Dbench, {n}", _dbench(n), f"dbench, {n} clients", "dbench", long=n > 1) for n in (1, 12, 48, 128)),
    _disk("FS-Mark", _fs_mark, "fs_mark, 64 kB, fsync", "fs_mark"),
    _disk(
        "FIO",
        _fio("--rw=randrw", "--bs=4k", "--rwmixread=70"),
        "fio, 4 kB, random, 70 % reads",
        "fio",
        prepare=_fio("--rw=write", "--bs=1M"),
    ),
    _disk("Gzip", _gzip, "gzip -1", prepare=_plain),
    _disk(
        "IOzone read",
        _fio("--rw=read", "--bs=8k"),
        "fio, 8 kB, in order",
        "fio",
        made=_fio("--rw=write", "--bs=1M"),
    ),
    _disk("IOzone write", _fio("--rw=write", "--bs=8k"), "fio, 8 kB, in order", "fio"),
    _disk(
        "PostMark",
        lambda place: postmark(place, place.size.count, 2 * place.size.count),
        "postmark",
        "postmark",
    ),
    _disk("pgbench", _pgbench, "pgbench, one client", "pgbench", made=_make_database, long=True),
    _disk(
        "SQLite",
        lambda place: sqlite(place, max(2, place.size.count // 4), 1),
        "sqlite3, a transaction for each row",
        "sqlite3",
    ),
    _disk("Threaded I/O read", _threads("randread"), "fio, 4 threads, 64 kB", "fio", made=_threads("write")),
    _disk("Threaded I/O write", _threads("randwrite"), "fio, 4 threads, 64 kB", "fio"),
    _disk("Unpack tarball", _unpack, "tar"),
)
PAPER = {"Compilebench read": 13.3, "Compilebench create": 7.0, "PostMark": 7.0}
"""What is remembered of the paper's figures, as times native; of all, that 13 of the 20 are below 1.5."""
