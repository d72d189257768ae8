#!/usr/bin/env python3
"""A long time of load on the FUSE filesystem, with few descriptors and little memory.

    python3 evaluation/experiments/soak.py [--seconds 1800] [--kinds direct,pyfuse3,direct:2,pyfuse3:2]
        [--fsstress PROGRAM] [--output FILE]

The time is shared by the kinds: a transport, with `:2` over a union of two branches. The server may have 256
descriptors and 100 MB (a cgroup). At the same time work two programs of random operations that check every content, one
that takes all the descriptors it gets, stress-ng's stressors of files, and fsstress where its path is given. After that
every program must have ended well, and in time; the server must live, have as many descriptors as at first, and not be
larger than in the first half. Needs root and stress-ng. Exit code 1 tells of a failure; each kind has a line of JSON.
"""

from __future__ import annotations

import argparse
import errno
import json
import os
import platform
import re
import resource
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
DESCRIPTORS = 256
MEMORY = 100 * 1000 * 1000
PATIENCE = 120  # seconds that programs may take to end, after their time
# fmt: off
STRESSORS = [
    "access", "chmod", "chown", "copy-file", "dentry", "dir", "dirdeep", "dirmany", "dup", "fallocate", "fcntl",
    "fiemap", "file-ioctl", "filename", "flock", "fpunch", "fstat", "fsize", "getdent", "handle", "hdd",
    "iomix", "lease", "link", "locka", "lockf", "lockofd", "mknod", "open", "rename", "symlink", "sync-file",
    "touch", "utime", "xattr",
]
# fmt: on
"""The class filesystem without what concerns other filesystems (io syncs all of the machine), or what ours cannot have
(verity, inode flags)."""
_REFUSED = re.compile(r"errno ?= ?2[34]\b")  # ENFILE, EMFILE
GROWTH = 1.25, 8.0  # how much larger than in the first half it may be: a factor, and MB


@contextmanager
def little_memory(pid: int) -> Iterator[Path | None]:
    """A cgroup of 100 MB around a process, in whichever hierarchy has the controller; None where none has."""
    for parent, limit in (
        ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
        ("/sys/fs/cgroup", "memory.max"),
    ):
        group = Path(parent, f"cntr-soak-{pid}")
        if not os.access(parent, os.W_OK):
            continue
        group.mkdir()
        try:
            if (group / limit).exists():
                (group / limit).write_text(str(MEMORY))
                (group / "cgroup.procs").write_text(str(pid))
                yield group
                return
        finally:
            _remove(group)
    yield None


def _remove(group: Path) -> None:
    """Its process may take a moment to be gone."""
    for _ in range(100):
        try:
            group.rmdir()
            return
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            time.sleep(0.1)


def resident(pid: int) -> float:
    """MB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmRSS"))) / 1000


def take_all(place: str, seconds: float) -> None:
    """The greedy program: unlinked files, held open until one more is refused, given back, and again."""
    end, most = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        taken: list[int] = []
        try:
            while time.monotonic() < end:
                path = f"{place}/greedy-{len(taken)}"
                taken.append(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
                os.unlink(path)
        except OSError as error:
            if error.errno != errno.EMFILE:
                raise
        most = max(most, len(taken))
        for fd in taken:
            os.close(fd)
        time.sleep(0.2)
        for name in os.listdir(place):  # the last one, which was made and not opened
            try:
                os.unlink(f"{place}/{name}")
            except OSError as error:
                if error.errno != errno.EMFILE:  # somebody else has taken what was given back: it comes again
                    raise
    print(json.dumps({"most_taken": most}))


def stress(place: str, seconds: float) -> None:
    """stress-ng's stressors, one after the other, all in turn; each verifies what it does."""
    end, turn, refused = time.monotonic() + seconds, 0, 0
    each = max(1, int(seconds) // len(STRESSORS))
    while (left := end - time.monotonic()) > 0:
        name = STRESSORS[turn * 7 % len(STRESSORS)]  # a short time has some of all kinds
        turn += 1
        command = ["stress-ng", "--temp-path", place, "--verify", "--timeout", str(min(each, max(1, int(left))))]
        done = subprocess.run([*command, f"--{name}", "1"], capture_output=True, text=True, timeout=each + PATIENCE)
        output = done.stdout + done.stderr
        if _REFUSED.search(output) or done.returncode == 3:
            refused += 1  # too many open files, which is an answer
        elif done.returncode:
            sys.exit(f"{name}: {output}")
    print(json.dumps({"turns": turn, "refused": refused}))


def load(place: Path, seconds: float, fsstress: str | None) -> dict[str, list[str]]:
    """The programs, by name."""
    for name in ("random", "greedy", "stress-ng", "fsstress"):
        (place / name).mkdir()
    own = [sys.executable, str(HERE / "random_operations.py"), str(place / "random"), "--seconds", str(seconds)]
    programs = {f"random-{seed}": [*own, "--seed", str(seed)] for seed in (1, 2)}
    programs["greedy"] = [sys.executable, __file__, "--take-all", str(place / "greedy"), str(seconds)]
    programs["stress-ng"] = [sys.executable, __file__, "--stress", str(place / "stress-ng"), str(seconds)]
    if fsstress:
        # -c: it removes what it has made, else the tree grows without end, and memory with it
        options = ["-d", str(place / "fsstress"), "-c", "-l", "0", "-n", "1000", "-p", "2", "-s", "1"]
        programs["fsstress"] = ["timeout", "--preserve-status", str(seconds), fsstress, *options]
    return programs


class Server:
    """The process under test, and what it was like at first."""

    def __init__(self, pidfd: int, place: Path) -> None:
        lines = Path(f"/proc/self/fdinfo/{pidfd}").read_text().splitlines()
        self.pid = int(next(line.split()[1] for line in lines if line.startswith("Pid:")))
        self._pidfd = pidfd
        resource.prlimit(self.pid, resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
        os.listdir(place)  # it has closed what it does not need before its first answer
        self.descriptors = self.count()

    def lives(self) -> bool:
        return not select.select([self._pidfd], [], [], 0)[0]

    def count(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def settle(self) -> int:
        """Descriptors when the kernel has forgotten all files."""
        for _ in range(100):
            Path("/proc/sys/vm/drop_caches").write_text("2")
            if self.count() <= self.descriptors:
                break
            time.sleep(0.1)
        return self.count()


def watch(server: Server, programs: dict[str, list[str]], work: Path, seconds: float) -> tuple[list[float], list[str]]:
    """Run the programs to their ends: memory every half a second, and what went wrong."""
    running = {
        name: subprocess.Popen(line, stdout=(work / name).open("w"), stderr=(work / f"{name}.err").open("w"))
        for name, line in programs.items()
    }
    memory, wrong = [], []
    end = time.monotonic() + seconds + PATIENCE
    while server.lives() and any(process.poll() is None for process in running.values()) and time.monotonic() < end:
        memory.append(resident(server.pid))
        time.sleep(0.5)
    for name, process in running.items():
        if process.poll() is None:
            wrong.append(f"{name} does not end")
            process.kill()
        elif process.returncode:
            wrong.append(f"{name} ended with {process.returncode}: {(work / f'{name}.err').read_text()[-2000:]}")
    return memory, wrong


def judge(server: Server, memory: list[float]) -> Iterator[str]:
    """What is wrong with the server afterwards."""
    if not server.lives():
        yield "the server has ended"
        return
    factor, more = GROWTH
    half = len(memory) // 2
    if max(memory[half:]) > max(memory[:half]) * factor + more:
        yield f"memory grows: {max(memory[:half])} MB at most in the first half, {max(memory[half:])} in the second"
    if (left := server.settle()) > server.descriptors:
        yield f"{left} descriptors afterwards, {server.descriptors} at first"


def soak(kind: str, seconds: float, fsstress: str | None) -> dict[str, Any]:
    """One kind's time."""
    sys.path.insert(0, str(ROOT))
    from tests.mounted.mounting import mounted

    transport, _, branches = kind.partition(":")
    with tempfile.TemporaryDirectory(prefix="cntr-soak-", dir="/var/tmp") as name, ExitStack() as stack:
        work = Path(name)
        trees = [work / f"branch-{number}" for number in range(int(branches or 1))]
        for tree in trees:
            tree.mkdir()
        mount = stack.enter_context(mounted(transport, work / "mount", *trees, read_only=False))
        assert mount.server is not None
        server = Server(mount.server, work / "mount")
        group = stack.enter_context(little_memory(server.pid))
        stack.callback(lambda: server.lives() and os.kill(server.pid, signal.SIGTERM))  # it leaves the cgroup
        memory, wrong = watch(server, load(work / "mount", seconds, fsstress), work, seconds)
        wrong += judge(server, memory)
        told = {path.name: path.read_text().strip() for path in work.iterdir() if path.is_file() and path.suffix == ""}
        leftovers = [str(path) for path in (trees[0] / "random").iterdir()]
    if leftovers:
        wrong.append(f"left: {leftovers}")
    return {
        "kind": kind,
        "seconds": seconds,
        "limited": group is not None,
        "MB_first": memory[0],
        "MB_most": max(memory),
        "MB_last": memory[-1],
        "descriptors_at_first": server.descriptors,
        "programs": told,
        "wrong": wrong,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--seconds", type=float, default=1800)
    parser.add_argument("--kinds", default="direct,pyfuse3,direct:2,pyfuse3:2")
    parser.add_argument("--fsstress")
    parser.add_argument("--output")
    for mode in ("--take-all", "--stress"):
        parser.add_argument(mode, nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.take_all:
        return take_all(arguments.take_all[0], float(arguments.take_all[1]))
    if arguments.stress:
        return stress(arguments.stress[0], float(arguments.stress[1]))
    if arguments.one:
        return print(json.dumps(soak(arguments.one, arguments.seconds, arguments.fsstress)))
    sys.exit(soak_all(arguments))


def soak_all(arguments: argparse.Namespace) -> int:
    kinds = arguments.kinds.split(",")
    seconds = str(arguments.seconds / len(kinds))
    more = ["--fsstress", arguments.fsstress] if arguments.fsstress else []
    results = []
    for kind in kinds:
        line = [sys.executable, __file__, "--one", kind, "--seconds", seconds, *more]
        results.append(json.loads(subprocess.run(line, check=True, stdout=subprocess.PIPE).stdout))
        print(json.dumps(results[-1]), flush=True)
    if arguments.output:
        machine = {"python": platform.python_version(), "kernel": platform.release(), "cpus": os.cpu_count()}
        report = {"experiment": "soak", **machine, "fsstress": bool(arguments.fsstress), "results": results}
        Path(arguments.output).write_text(json.dumps(report, indent=1) + "\n")
    return 1 if any(result["wrong"] for result in results) else 0


if __name__ == "__main__":
    main()
