"""Where the output of a container in the background goes."""

from __future__ import annotations

import os

from cntr_core.kernel.syscall import owned
from cntr_core.runtime import Collector, Log
from cntr_core.session.relay import Loop


class BackgroundOutput:
    """A pipe, `writer`, that our own stderr is from now on, too; a process of its own keeps in a log what comes there.

    The container gets no file, which it could fill the disk with (`fallocate(2)`). Its output goes on after the death
    of the process that made this, and while this one lives, after that of the process which collects.
    """

    def __init__(self, log_file: str, null: int) -> None:
        os.close(os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))  # it is there from the start
        self._null = null
        self._reader, self.writer = os.pipe2(os.O_CLOEXEC)
        os.dup2(self.writer, 2)
        self._collector = Collector(Log(log_file), self._reader)

    def watch(self, loop: Loop) -> None:
        """Have `loop` start another collector, should this one be killed: without one, the container gets SIGPIPE."""
        pidfd = self._collector.pidfd

        def again() -> None:
            del loop.watched[pidfd]
            self._collector.finish()
            self._collector = Collector(self._collector.log, self._reader)
            self.watch(loop)

        loop.watched[pidfd] = again

    def finish(self) -> None:
        """Wait until all is written; the container must have ended."""
        os.dup2(self._null, 2)
        with owned(self._reader), owned(self.writer):
            pass
        self._collector.finish()
