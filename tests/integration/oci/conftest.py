"""Containers of the embedded engine in a state directory of their own, and proof that nothing of them is left."""

from __future__ import annotations

import glob
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.images.layouts import MemberSpec, directory, file, layout, symlink, tar

HANG = 60  # seconds after which a test has found a hang
CNTR = [sys.executable, "-c", "from cntr_core.cli import main; main()"]


class Cntr:
    """Runs the program with its containers below `state`."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.environment = {**os.environ, "CNTR_STATE_DIR": str(state)}

    def popen(self, *arguments: str, **options: Any) -> subprocess.Popen[bytes]:
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen([*CNTR, *arguments], **{**pipes, "env": self.environment, **options})

    def __call__(self, *arguments: str, stdin: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
        with self.popen(*arguments, stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL) as process:
            try:
                output, errors = process.communicate(stdin, timeout=HANG)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        return subprocess.CompletedProcess(arguments, process.returncode, output, errors)

    def run(self, *arguments: str) -> str:
        """Call that must succeed; gives its output."""
        done = self(*arguments)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    def record(self, name: str) -> dict[str, Any]:
        """What the engine remembers of a container."""
        with open(self.state / name / "state.json", encoding="utf-8") as remembered:
            return json.load(remembered)  # type: ignore[no-any-return] - JSON

    def names(self) -> list[str]:
        return sorted(name for name in os.listdir(self.state) if name[0] != ".") if self.state.exists() else []

    def listed(self, name: str) -> dict[str, Any]:
        """The container as ``cntr list`` shows it."""
        known = json.loads(self.run("list", "--all", "--json"))
        return next(c for c in known if c["engine"] == "oci" and c["name"] == name)


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Wait for something that must come; a hang limit, no measurement."""
    limit = time.monotonic() + HANG
    while not condition():
        assert time.monotonic() < limit, f"waited {HANG} s for {what}"
        time.sleep(0.02)


@pytest.fixture
def cntr(tmp_path: Path) -> Iterator[Cntr]:
    """The program. After the test every container is stopped, and nothing may be left."""
    program = Cntr(tmp_path / "state")
    before = _cgroups()
    yield program
    left = program.names()
    stopped = program("stop", "--timeout", "0", *left) if left else None
    assert stopped is None or stopped.returncode == 0, stopped.stderr.decode()
    assert not program.state.exists(), os.listdir(program.state)
    assert str(program.state) not in Path("/proc/self/mountinfo").read_text()
    wait_until(lambda: not _processes(str(program.state)), "our processes to end")
    wait_until(lambda: not _cgroups() - before, "the cgroups to go")


def _processes(word: str) -> list[str]:
    """Processes of ours: those that watch containers have the state directory in their environment."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as file_:
                if word.encode() in file_.read() and int(pid) != os.getpid():
                    found.append(pid)
        except OSError:
            continue
    return found


def _cgroups() -> set[str]:
    """The cgroups that look like ours, 32 hex digits, and hold nobody; those of other runs beside this one do."""
    parents = ["/sys/fs/cgroup", *glob.glob("/sys/fs/cgroup/*/")]
    found = (path for parent in parents for path in glob.glob(f"{parent}/{'[0-9a-f]' * 32}"))
    return {path for path in found if not _members(path)}


def _members(cgroup: str) -> str:
    try:
        return Path(cgroup, "cgroup.procs").read_text()
    except OSError:
        return "it went meanwhile"


@pytest.fixture
def make_image(tmp_path: Path) -> Callable[..., str]:
    """Makes an image of busybox with a shell, given files and a configuration; gives its path."""

    def make(*members: MemberSpec, **config: Any) -> str:
        with open("/bin/busybox", "rb") as program:
            busybox = file("bin/busybox", program.read(), mode=0o755)
        links = [symlink(f"bin/{name}", "busybox") for name in ("sh", "cat", "id", "env", "pwd", "ls", "sleep")]
        base = tar(directory("tmp", mode=0o1777), busybox, *links)
        config = {"Env": ["PATH=/bin"], "Cmd": ["sleep", "1000000"]} | config
        return layout(tmp_path / "made", base, tar(*members), config=config)

    return make
