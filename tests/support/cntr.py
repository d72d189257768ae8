"""Running the installed ``cntr`` program as a user would, and reading what the kernel says of processes."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping

from cntr_core.testing.processes import children, descendants, is_alive, living_in, wait_until

__all__ = [
    "PROGRAM", "UNMEASURED", "children", "cntr", "descendants", "docker_exec", "docker_pid", "environment", "is_alive",
    "living_in", "output", "running", "wait_until",
]  # fmt: skip

PROGRAM = os.path.join(os.path.dirname(sys.executable), "cntr")


UNMEASURED = {"CNTR_COVERAGE_LOG": "", "COVERAGE_PROCESS_CONFIG": "", "COVERAGE_PROCESS_START": ""}
"""Variables for a test that looks at what cntr itself opens, as measuring coverage opens files of its own; and for one
of much work, which takes twice as long when it is measured, where smaller tests reach the same lines."""


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
