"""Docker by its own client, and a container of it as probes see it."""

from __future__ import annotations

import select
import subprocess
from collections.abc import Mapping, Sequence

from cntr_slimmer.probes.running import Executed

from cntr_core.errors import EngineError
from cntr_core.kernel.process import pidfd_open

from .sources import Failed

_LONGEST = 1800.0
"""Seconds that one command may take."""


class Docker:
    """Docker's client, whose variables say which daemon it asks."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self.environment = environment

    def docker(self, *words: str, timeout: float = _LONGEST) -> subprocess.CompletedProcess[bytes]:
        """A command of docker's client, by that daemon; :raises subprocess.TimeoutExpired: it was killed."""
        line = ["docker", *words]
        return subprocess.run(
            line, env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=timeout
        )

    def must(self, *words: str) -> str:
        """The same, its stdout; :raises Failed: docker refuses."""
        done = self.docker(*words)
        if done.returncode:
            raise Failed(f"docker {words[0]}: {done.stderr.decode(errors='replace').strip()}")
        return done.stdout.decode().strip()


class Container:
    """A container that was started, as probes see it."""

    environment: Mapping[str, str] = {}

    def __init__(self, docker: Docker, name: str) -> None:
        self._docker = docker
        self._name = name
        self.pid = int(docker.must("inspect", "--format={{.State.Pid}}", name))
        self._pidfd = _opened(self.pid)

    def ended(self) -> int | None:
        """The exit code of the first process; None while it runs."""
        if self._pidfd is not None and not select.select([self._pidfd], [], [], 0)[0]:
            return None
        return int(self._docker.must("wait", self._name))

    def execute(self, command: Sequence[str], timeout: float) -> Executed:
        """Run a command in the container, as the image's user.

        :raises TimeoutError: it did not end within `timeout` seconds.
        :raises EngineError: the container has ended.
        """
        if self.ended() is not None:
            raise EngineError("the container has ended", "look at its log")
        try:
            done = self._docker.docker("exec", self._name, *command, timeout=timeout)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"{command[0]} did not end within {timeout:g} s") from None
        return Executed(done.returncode, done.stdout, done.stderr)

    def log(self) -> bytes:
        """What it wrote to stdout and stderr so far."""
        done = self._docker.docker("logs", self._name)
        return done.stdout + done.stderr

    def activity(self) -> int:
        """Nobody watches it."""
        return 0


def _opened(pid: int) -> int | None:
    """A pidfd; None for a process that has ended, which is docker's 0."""
    try:
        return pidfd_open(pid) if pid else None
    except ProcessLookupError:
        return None
