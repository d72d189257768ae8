"""Running the installed ``cntr`` program as a user would, and reading what the kernel says of processes."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping

PROGRAM = os.path.join(os.path.dirname(sys.executable), "cntr")


UNMEASURED = {"CNTR_COVERAGE_LOG": "", "COVERAGE_PROCESS_CONFIG": "", "COVERAGE_PROCESS_START": ""}
"""Variables for a test that looks at what cntr itself opens: measuring coverage opens files of its own."""


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The tests' own variables, without what would change cntr's behaviour."""
    kept = {key: value for key, value in os.environ.items() if key not in ("DOCKER_HOST", "CNTR_DEBUG", "NO_COLOR")}
    return {**kept, **(extra or {})}


def cntr(
    *arguments: str | bytes, stdin: bytes = b"", env: Mapping[str, str] | None = None, timeout: float = 60
) -> subprocess.CompletedProcess[bytes]:
    """Run ``cntr ARGUMENTS`` to its end, with pipes for all streams."""
    return subprocess.run(
        [PROGRAM, *arguments], input=stdin, capture_output=True, env=environment(env), timeout=timeout, check=False
    )


def output(*arguments: str | bytes, **options: object) -> str:
    """The standard output of a ``cntr`` that succeeds."""
    result = cntr(*arguments, **options)  # type: ignore[arg-type]  # handed on as they are
    assert result.returncode == 0, (result.returncode, result.stderr.decode())
    return result.stdout.decode()


@contextlib.contextmanager
def running(*arguments: str, env: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A ``cntr`` in the background with pipes; killed at the end if it still runs."""
    process = subprocess.Popen(
        [PROGRAM, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(env),
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
        process.kill()
        process.communicate()


def docker_pid(name: str) -> int:
    """The PID of a docker container's init process."""
    line = ["docker", "inspect", "--format", "{{.State.Pid}}", name]
    return int(subprocess.run(line, check=True, capture_output=True, timeout=30).stdout)


def docker_exec(name: str, *command: str) -> str:
    """What a command prints inside a docker container, run by docker itself."""
    line = ["docker", "exec", name, *command]
    return subprocess.run(line, check=True, capture_output=True, timeout=30).stdout.decode()


def wait_until(condition: Callable[[], object], what: str, limit: float = 20) -> None:
    """Poll until `condition` holds."""
    deadline = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < deadline, f"not within {limit:g} s: {what}"
        time.sleep(0.02)


def children(pid: int) -> list[int]:
    """The direct children of a process."""
    found = []
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/children") as file:
            found += [int(word) for word in file.read().split()]
    return found


def descendants(pid: int) -> list[int]:
    """All processes below `pid`, itself not among them."""
    below = []
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for child in children(pid):
            below += [child, *descendants(child)]
    return below


def is_alive(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def living_in(pid: int) -> list[tuple[int, str]]:
    """The living processes of the PID namespace of `pid`, with their names, whoever they belong to."""
    namespace = os.readlink(f"/proc/{pid}/ns/pid")
    found = []
    for name in filter(str.isdecimal, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/{name}/ns/pid") == namespace and is_alive(int(name)):
                with open(f"/proc/{name}/comm") as file:
                    found.append((int(name), file.read().strip()))
    return sorted(found)
