"""Run pjdfstest on the native filesystem and on our mounts, and report what native passes and we do not.

The suite is built from a source checkout in a temporary directory, and runs as root. Usage::

    python evaluation/conformance/run.py --source PATH [--fs direct] [--fs pyfuse3] [--tree passthrough] [--tree union]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from mount_helper import filesystem, layers

from cntr_core import DirectoryTree, Filesystem, MountRequest
from cntr_core.kernel.mounts import MNT_DETACH, move_mount, umount2

RESULTS = Path(__file__).resolve().parents[1] / "results"
_LINE = re.compile(r"^(not )?ok (\d+)(.*)$")
_PLAN = re.compile(r"^1\.\.(\d+)")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--source", required=True, type=Path, help="a checkout of pjdfstest")
    parser.add_argument("--fs", action="append", choices=["direct", "pyfuse3"], help="default: both")
    parser.add_argument("--tree", action="append", choices=["passthrough", "union"], help="default: both")
    parser.add_argument("--only", default="", help="run tests whose path contains this")
    parser.add_argument("--jobs", type=int, default=2, help="test files that run at a time")
    parser.add_argument("--work", type=Path, default=Path("/var/tmp"), help="where the files are made")
    parser.add_argument("--output", type=Path, default=RESULTS / "pjdfstest.json")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pjdfstest-", dir=options.work) as work:
        report = _measure(options, Path(work))
    options.output.parent.mkdir(exist_ok=True)
    options.output.write_text(json.dumps(report, indent=2) + "\n")
    new = {name: run["not_native"] for name, run in report["runs"].items() if run["not_native"]}
    print(json.dumps(new, indent=2) if new else "no failure that native does not have")
    return 1 if new else 0


def _measure(options: argparse.Namespace, work: Path) -> dict[str, Any]:
    suite = _build(options.source, work)
    tests = sorted(path for path in suite.glob("tests/**/*.t") if options.only in str(path))
    native = _run(suite, tests, _directory(work / "native"), options.jobs)
    runs = {"native": native | {"not_native": {}}}
    for name in options.fs or ["direct", "pyfuse3"]:
        for tree in options.tree or ["passthrough", "union"]:
            with _mounted(filesystem(name), tree, work / f"{name}-{tree}") as place:
                run = _run(suite, tests, place, options.jobs)
            runs[f"{name} {tree}"] = run | {"not_native": _beyond(run["failed"], native["failed"])}
    return _environment(options.source, work) | {"runs": runs}


def _build(source: Path, work: Path) -> Path:
    """A built copy, whose notion of the filesystem type is the native one's for all runs."""
    suite = work / "suite"
    shutil.copytree(source, suite, ignore=shutil.ignore_patterns(".git"))
    for command in (["autoreconf", "-ifs"], ["./configure"], ["make", "pjdfstest"]):
        subprocess.run(command, cwd=suite, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with (suite / "tests/conf").open("a") as conf:
        conf.write(f'\nfs="{_type(work).upper()}"\n')
    return suite


def _type(path: Path) -> str:
    command = ["stat", "--file-system", "--format=%T", str(path)]
    name = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    return "ext4" if name == "ext2/ext3" else name


def _directory(path: Path) -> Path:
    path.mkdir()
    path.chmod(0o755)
    return path


@contextlib.contextmanager
def _mounted(backend: Filesystem, tree: str, work: Path) -> Iterator[Path]:
    """A writable mount of an empty directory, or of the union of two."""
    _directory(work)
    with contextlib.ExitStack() as stack:
        branches = []
        for name in layers(tree):
            fd = os.open(_directory(work / name), os.O_PATH)
            stack.callback(os.close, fd)
            branches.append(DirectoryTree(fd))
        mount = stack.enter_context(backend.mount(MountRequest(branches, read_only=False)))
        place = _directory(work / "mount")
        move_mount(mount.fd, "", -100, place)
        stack.callback(umount2, place, MNT_DETACH)
        yield place


def _run(suite: Path, tests: list[Path], place: Path, jobs: int) -> dict[str, Any]:
    """Each test file in a directory of its own, as prove(1) does, and what it printed as counts and failures."""
    started = time.monotonic()

    def one(test: Path) -> tuple[str, int, list[str]]:
        name = str(test.relative_to(suite / "tests"))
        directory = _directory(place / name.replace("/", "-"))
        return name, *_outcome(_output(test, directory))

    with ThreadPoolExecutor(jobs) as pool:
        outcomes = list(pool.map(one, tests))
    return {
        "files": len(outcomes),
        "assertions": sum(count for _, count, _ in outcomes),
        "failed": {name: failed for name, _, failed in outcomes if failed},
        "seconds": round(time.monotonic() - started, 1),
    }


def _output(test: Path, directory: Path) -> str:
    command = ["timeout", "300", "sh", str(test)]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, errors="replace").stdout


def _outcome(output: str) -> tuple[int, list[str]]:
    """How many assertions were made, and which failed: their numbers, and those that never came."""
    plan, seen, failed = 0, 0, []
    for line in output.splitlines():
        if match := _PLAN.match(line):
            plan = int(match[1])
        elif match := _LINE.match(line):
            seen += 1
            if match[1] and "# TODO" not in match[3]:
                failed.append(f"{match[2]}{match[3]}")
    if seen < plan or not output:
        failed.append(f"{seen} of {plan} assertions made")
    return seen, failed


def _beyond(ours: dict[str, list[str]], native: dict[str, list[str]]) -> dict[str, list[str]]:
    """The failures that native does not have, told apart by their number."""
    result = {}
    for name, failures in ours.items():
        known = {failure.split()[0] for failure in native.get(name, [])}
        if new := [failure for failure in failures if failure.split()[0] not in known]:
            result[name] = new
    return result


def _environment(source: Path, work: Path) -> dict[str, Any]:
    commit = subprocess.run(["git", "-C", str(source), "rev-parse", "HEAD"], capture_output=True, text=True)
    return {
        "suite": "pjdfstest",
        "commit": commit.stdout.strip(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "processors": os.cpu_count(),
        "native": _type(work),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
    }


if __name__ == "__main__":
    sys.exit(main())
