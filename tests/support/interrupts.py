"""Interrupting the program on a real terminal at some moment, as an impatient person does."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.cntr import PROGRAM, is_alive
from tests.support.terminal import Terminal

HANG = 30
"""Seconds. Far more than it should take: two on an idle machine."""
_KEY = b"\x03"
_POLL = 0.002

When = Callable[["Run"], object]
"""Waits for the moment."""


@dataclass
class Run:
    """A program on a terminal of its own."""

    process: subprocess.Popen[bytes]
    terminal: Terminal

    @property
    def printed(self) -> bytes:
        """What it printed so far."""
        return bytes(self.terminal.printed)


@dataclass(frozen=True)
class Interrupted:
    """How it ended: by itself before the interrupt came, or with 128+n, the terminal as before."""

    code: int
    by_itself: bool
    seconds: float
    printed: str


def started(run: Run) -> None:
    """Until the program's own code runs, whose first act is to give up Python's handler: before that a traceback is the
    interpreter's."""
    _await(run, lambda: _catches(run.process.pid, signal.SIGINT))
    _await(run, lambda: not _catches(run.process.pid, signal.SIGINT))


def after(text: str, seconds: float) -> When:
    """So many seconds after `text` was printed."""

    def wait(run: Run) -> None:
        _await(run, lambda: text.encode() in run.printed)
        time.sleep(seconds)

    return wait


def interrupted(
    arguments: Sequence[str], number: signal.Signals, when: When, *, cwd: Path, env: Mapping[str, str]
) -> Interrupted:
    """Run ``cntr ARGUMENTS`` on a terminal, press Ctrl-C (for SIGINT, else send the signal) at the moment that `when`
    waits for, and wait for its end."""
    with Terminal() as terminal:
        terminal.resize(24, 100)
        before = terminal.attributes()
        process = subprocess.Popen(
            [PROGRAM, *arguments],
            cwd=cwd,
            env={**env, "TERM": "xterm"},
            stdin=terminal.slave,
            stdout=terminal.slave,
            stderr=terminal.slave,
            start_new_session=True,
            preexec_fn=_control_terminal,
        )
        try:
            when(Run(process, terminal))
            begun = time.monotonic()
            if not (by_itself := process.poll() is not None):
                terminal.type(_KEY) if number == signal.SIGINT else process.send_signal(number)
            code = process.wait(HANG)
            seconds = time.monotonic() - begun
        finally:
            process.kill()
            process.wait()
        assert terminal.attributes() == before
        printed = terminal.settle().decode(errors="replace")
    assert printed.count("\x1b[?25l") == 0 or printed.rindex("\x1b[?25h") > printed.rindex("\x1b[?25l"), printed
    assert "Traceback" not in printed, printed
    return Interrupted(code, by_itself or code == 0, seconds, printed)


def processes_with(word: str) -> list[int]:
    """The living processes that have `word` in their command line or environment, but for this one."""
    found = []
    for pid in map(int, filter(str.isdecimal, os.listdir("/proc"))):
        with contextlib.suppress(OSError):
            told = b"".join(Path(f"/proc/{pid}/{name}").read_bytes() for name in ("cmdline", "environ"))
            if word.encode() in told and pid != os.getpid() and is_alive(pid):
                found.append(pid)
    return found


def _control_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _await(run: Run, ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + HANG
    while run.process.poll() is None and not ready():
        assert time.monotonic() < deadline, run.printed
        time.sleep(_POLL)


def _catches(pid: int, number: int) -> bool:
    with contextlib.suppress(FileNotFoundError), open(f"/proc/{pid}/status") as file:
        caught = next((line.split()[1] for line in file if line.startswith("SigCgt:")), "0")
        return bool(int(caught, 16) >> (number - 1) & 1)
    return False
