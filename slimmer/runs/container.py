"""A container of our own that runs, as probes see it, and its end."""

from __future__ import annotations

import logging
import os
import select
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from cntr_core.engine.tracing import NEVER_ENDS
from cntr_core.errors import SessionError
from cntr_core.kernel import child
from cntr_core.kernel.process import pidfd_open, pidfd_send_signal
from cntr_core.kernel.procfs import ProcessStatus, open_process, read_status
from cntr_core.kernel.syscall import owned
from cntr_core.runtime import LimitWatch, Log, Runtime, Streams
from cntr_core.timing import timed

from ..probes.running import Executed
from ..trace.observer import TraceObserver
from ..trace.record import Phase
from .communicate import communicated
from .output_collector import await_copied
from .written import Change, UpperLayer

_log = logging.getLogger(__name__)

STOP_LIMIT = 10.0
"""Seconds between the stop signal and SIGKILL, as docker has it."""
_DEATH = 10.0
_POLL = 0.05


@dataclass(eq=False)
class OwnContainer:
    """A started container; the process that asks must be the parent of its first process, by birth or as subreaper.

    `_server` is a pidfd of the process that serves its root, `_collector` of the one that takes its output; without
    them, the container is lost.
    """

    pid: int
    environment: Mapping[str, str]
    _runtime: Runtime
    _log: Log
    _streams: Streams
    _observer: TraceObserver | None
    _stop_signal: int
    _server: int | None
    _collector: int
    _limits: LimitWatch
    _code: int | None = None
    _executed: int = 0
    upper: UpperLayer | None = None

    def __post_init__(self) -> None:
        self._pidfd = pidfd_open(self.pid)

    def ended(self) -> int | None:
        """The exit code of the first process, 128+n for signal n; None while it runs.

        :raises SessionError: its filesystem died below it, or nobody takes its output.
        """
        if select.select([self._collector], [], [], 0)[0]:
            raise SessionError("nobody takes the container's output any more", "run again with --debug")
        if self._server is not None and select.select([self._server], [], [], 0)[0]:
            raise SessionError("the filesystem server died, which ended the run", "run again with --debug")
        return self._reaped()

    def _reaped(self) -> int | None:
        if self._code is None and select.select([self._pidfd], [], [], 0)[0]:
            self._code = child.wait(self.pid)
        return self._code

    def execute(self, command: Sequence[str], timeout: float) -> Executed:
        """Run a command in the container, as the image's user.

        :raises TimeoutError: it did not end within `timeout` seconds, and was killed.
        :raises SessionError: the container has ended.
        """
        if self.ended() is not None:
            raise SessionError("the container has ended", "look at its log")
        # Of its own: a runc that was killed may leave a file beside it, on which the next one with that name fails.
        self._executed += 1
        pid_file = f"{self._log.path}.exec{self._executed}"
        line = self._runtime.exec_line(command, pid_file)
        process = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            stdout, stderr = communicated(process, timeout)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"{command[0]} did not end within {timeout:g} s") from None
        finally:
            if process.poll() is None:
                _kill(process, pid_file)
        return Executed(child.shell_code(process.returncode), stdout, stderr)

    def log(self) -> bytes:
        """What it wrote to stdout and stderr so far; all of it, once it has ended."""
        if self._code is not None:
            await_copied(self._streams, self._log)
        return self._log.read()

    def written(self) -> frozenset[Change]:
        """Where it wrote so far; empty where that is not watched."""
        return self.upper.written() if self.upper is not None else frozenset()

    def limit_met(self) -> str:
        """Which limit of ours it met, in a sentence; empty for none."""
        return self._limits.met()

    def activity(self) -> int:
        """A counter that grows with every first access to a file; it stands still where nobody watches."""
        return self._observer.activity() if self._observer else 0

    def end(self, limit: float = STOP_LIMIT) -> int:
        """End it by its stop signal, after `limit` seconds by SIGKILL; its exit code."""
        if self._observer is not None and self._reaped() is None:
            self._observer.enter(Phase.SHUTDOWN)
        for number, patience in ((self._stop_signal, limit), (signal.SIGKILL, _DEATH)):
            if self._reaped() is not None:
                break
            with suppress(ProcessLookupError):
                pidfd_send_signal(self._pidfd, number)
            with timed(_log, "end process %d by signal %d", self.pid, number):
                self._await_end(patience)
        code = self._reaped()
        if code is None:
            raise SessionError(*NEVER_ENDS)
        return code

    def _await_end(self, patience: float) -> None:
        """Wait for the first process. It cannot end before all others of its PID namespace are waited for
        (pid_namespaces(7)), and what runc executed there became ours when runc was killed."""
        deadline = time.monotonic() + patience
        while not select.select([self._pidfd], [], [], min(_POLL, max(0.0, deadline - time.monotonic())))[0]:
            _reap_orphans(self.pid)
            if time.monotonic() >= deadline:
                return

    def close(self) -> None:
        """Give up the descriptor."""
        os.close(self._pidfd)


def _reap_orphans(first: int) -> None:
    """Wait for our dead children in PID namespaces below our own, but not for the container's first process."""
    with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as file:
        children = [int(word) for word in file.read().split() if int(word) != first]
    own = _status(os.getpid())
    for pid in children:
        with suppress(FileNotFoundError, ProcessLookupError, ChildProcessError):
            status = _status(pid)
            if status.state == "Z" and len(status.namespace_pids) > len(own.namespace_pids):
                os.waitpid(pid, os.WNOHANG)


def _status(pid: int) -> ProcessStatus:
    with owned(open_process(pid)) as directory:
        return read_status(directory)


def _kill(runc: subprocess.Popen[bytes], pid_file: str) -> None:
    """Kill what runc executed in the container, which its own death would leave there, and runc."""
    with suppress(OSError, ValueError), open(pid_file, encoding="ascii") as file:
        os.kill(int(file.read()), signal.SIGKILL)
    runc.kill()
    runc.communicate()
