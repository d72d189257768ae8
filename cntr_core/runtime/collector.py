"""A process that keeps what a container writes, however much that is, and whatever happens to who started it."""

from __future__ import annotations

import os
import select
import signal

from ..kernel import child
from ..kernel.process import close_others, pidfd_open, pidfd_send_signal, set_name
from .log import Log

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_PATIENCE = 5.0
"""Seconds for the rest of the output, when its writers have ended. Somebody else may still hold their pipe."""


class Collector:
    """Keeps in `log` what comes from `source`, until its end: a descriptor, or the path of a FIFO, which is opened when
    somebody opens it to write. One that reads a FIFO ends with who made it. Make it while there is one thread."""

    def __init__(self, log: Log, source: int | str) -> None:
        self.log = log
        self._source = source
        self._parent = os.getpid()
        self._pid = child.fork(self._collect)
        self.pidfd = pidfd_open(self._pid)

    def _collect(self) -> None:
        os.setsid()
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        set_name("cntr-collector")
        null = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):  # stderr may be the very pipe whose end is waited for
            os.dup2(null, stream)
        kept = {0, 1, 2} | ({self._source} if isinstance(self._source, int) else set())
        close_others(kept)
        source = self._opened()
        while self.log.take(source):
            pass

    def _opened(self) -> int:
        if isinstance(self._source, int):
            return self._source
        child.die_with(self._parent, signal.SIGKILL)  # else it would wait for ever for who writes
        return os.open(self._source, os.O_RDONLY | os.O_CLOEXEC)

    def finish(self, patience: float = _PATIENCE) -> None:
        """Wait until all is written; nobody writes there any more. May be called again."""
        if self.pidfd < 0:
            return
        if not select.select([self.pidfd], [], [], patience)[0]:
            pidfd_send_signal(self.pidfd, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        os.close(self.pidfd)
        self.pidfd = -1
