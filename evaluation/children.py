"""Programs that work for this one, and end when it is interrupted."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Sequence
from contextlib import nullcontext, suppress

_LONGEST = 3600.0
"""Seconds that one program may take: then it hangs."""


class Interrupted(Exception):
    """This program is to end, and no other is started."""


class Children:
    """All that run now, each in a process group of its own: a Ctrl-C is ours to pass on, once."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._ending = False

    def run(self, line: Sequence[str], log: str, output: str = "", timeout: float = _LONGEST) -> int:
        """Run a program, with its words in the file `log`, but for its stdout, if that goes to the file `output`; its
        exit code.

        :raises Interrupted: by :meth:`end`.
        """
        with open(log, "wb") as err, open(output, "wb") if output else nullcontext(err) as out:
            child = self._started(line, out.fileno(), err.fileno())
            try:
                code = child.wait(timeout)
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGTERM)
                code = child.wait()
            finally:
                with self._lock:
                    self._running.discard(child)
        if self._ending:
            raise Interrupted
        return code

    def _started(self, line: Sequence[str], output: int, log: int) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._ending:
                raise Interrupted
            child = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=output, stderr=log, process_group=0)
            self._running.add(child)
            return child

    def end(self) -> None:
        """End all that run; whoever waits for one is told."""
        with self._lock:
            self._ending = True
            for child in self._running:
                with suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGINT)


def last_words(log: str) -> str:
    """The end of what a program said, in a line."""
    with open(log, encoding="utf-8", errors="replace") as file:
        lines = [line.strip() for line in file if line.strip()]
    return " / ".join(lines[-3:])
