#!/usr/bin/env python3
"""The memory of the process that serves a FUSE mount, before, during and after a walk over very many paths.

    python3 evaluation/experiments/filesystem_memory.py [CHECKOUT ...] [--paths 1000000] [--runs 1] [--output FILE]

Each CHECKOUT is a source tree of cntr (by default this one); all are measured in turns, by the same Python. The tree
is of empty files in a tmpfs, a hundred to a directory. `find -size +0` walks it twice, so every path is asked for; then
the kernel is told to forget (drop_caches, which concerns the whole machine). Memory is what is resident, in MB; times
are in seconds, and are compared with those of the same walk without the mount in the same round. Needs root, and about
2.5 kB of memory a path.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
PACKAGES = {"cntr_core": "cntr_core", "cntr_plugins": "plugins", "cntr_slimmer": "slimmer", "tests": "tests"}
IN_A_DIRECTORY = 100


def make_tree(place: Path, paths: int) -> None:
    for start in range(0, paths, IN_A_DIRECTORY):
        directory = place / f"directory-{start // IN_A_DIRECTORY}"
        directory.mkdir()
        for number in range(start, min(start + IN_A_DIRECTORY, paths)):
            os.close(os.open(directory / f"file-{number}", os.O_CREAT | os.O_WRONLY, 0o644))


def walk(place: Path) -> float:
    started = time.perf_counter()
    subprocess.run(["find", place, "-size", "+0"], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def resident(pid: int) -> float:
    """MB."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1000


def settled(pid: int) -> float:
    """Memory, when it has not fallen for two seconds."""
    lowest, since = resident(pid), time.monotonic()
    while time.monotonic() - since < 2:
        time.sleep(0.1)
        if (now := resident(pid)) < lowest * 0.99:
            lowest, since = now, time.monotonic()
    return lowest


def measure_one(transport: str, branches: int, tree: Path) -> dict[str, float]:
    """One mount's life, by the version that is imported."""
    from tests.mounted.mounting import mounted

    def pid_of(pidfd: int) -> int:
        lines = Path(f"/proc/self/fdinfo/{pidfd}").read_text().splitlines()
        return int(next(line.split()[1] for line in lines if line.startswith("Pid:")))

    with tempfile.TemporaryDirectory() as work:
        trees = [tree]
        if branches > 1:
            trees.insert(0, Path(work, "top"))
            trees[0].mkdir()
        place = Path(work, "mount")
        with mounted(transport, place, *trees, read_only=False) as mount:
            os.listdir(place)
            assert mount.server is not None
            pid = pid_of(mount.server)
            result = {"MB_at_first": resident(pid), "seconds_native": walk(tree)}
            result["seconds_first"] = walk(place)
            result["MB_walked"] = resident(pid)
            result["seconds_second"] = walk(place)
            result["MB_walked_twice"] = resident(pid)
            Path("/proc/sys/vm/drop_caches").write_text("2")
            result["MB_forgotten"] = settled(pid)
            peak = Path(f"/proc/{pid}/status").read_text().split("VmHWM:")[1].split()[0]
            result["MB_most"] = int(peak) / 1000
    return {name: round(value, 2) for name, value in result.items()}


@contextlib.contextmanager
def importable(checkout: str) -> Iterator[str]:
    """A directory to be put into PYTHONPATH."""
    with tempfile.TemporaryDirectory() as place:
        for name, directory in PACKAGES.items():
            os.symlink(os.path.join(os.path.abspath(checkout), directory), os.path.join(place, name))
        yield place


def measure(checkout: str, transport: str, branches: int, tree: Path) -> dict[str, float]:
    with importable(checkout) as path:
        command = [sys.executable, os.path.abspath(__file__), "--one", transport, str(branches), str(tree)]
        environment = {**os.environ, "PYTHONPATH": path}
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment).stdout
    found: dict[str, float] = json.loads(output)
    return found


def compare(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    results = []
    with tempfile.TemporaryDirectory(prefix="cntr-memory-") as place:
        options = "nr_inodes=0,size=90%"
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "cntr-memory", place], check=True)
        try:
            make_tree(Path(place), arguments.paths)
            for _ in range(arguments.runs):
                for kind in arguments.kinds.split(","):
                    transport, _, branches = kind.partition(":")
                    for number, checkout in enumerate(arguments.checkouts or [ROOT]):
                        found = measure(checkout, transport, int(branches or 1), Path(place))
                        results.append({"version": number, "kind": kind, **found})
                        print(results[-1], flush=True)
        finally:
            subprocess.run(["umount", "--lazy", place], check=True)
    return results


def main() -> None:
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(measure_one(sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))))
        return
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("checkouts", nargs="*")
    parser.add_argument("--paths", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--kinds", default="direct,pyfuse3,direct:2", help="transports; :2 is a union of two branches")
    parser.add_argument("--output", default=os.path.join(os.path.dirname(HERE), "results", "filesystem_memory.json"))
    arguments = parser.parse_args()
    results = compare(arguments)
    result = {
        "experiment": "filesystem_memory",
        "python": platform.python_version(),
        "kernel": platform.release(),
        "cpus": os.cpu_count(),
        "load_average_at_the_end": os.getloadavg(),
        "paths": arguments.paths,
        "results": results,
    }
    with open(arguments.output, "w") as file:
        json.dump(result, file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    main()
