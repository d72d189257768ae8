"""Processes beside the one that mounts: what they leave behind, and how they are reaped."""

from __future__ import annotations

import logging
import os
import select
import signal

from cntr_core import debugging
from cntr_core.kernel.process import close_others

_log = logging.getLogger(__name__)

PATIENCE = 10.0  # seconds that one may take to end: on a busy machine, with a trace to write, two were too few


def leave_parent(kept: list[int]) -> None:
    """Leave behind what belongs to the parent: its terminal, signals and descriptors, but not stderr."""
    os.setsid()
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGCHLD, signal.SIGWINCH, signal.SIGTSTP):
        signal.signal(number, signal.SIG_DFL)
    signal.set_wakeup_fd(-1)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    close_others({0, 1, 2, *debugging.descriptors(), *kept})
    os.chdir("/")


def reap(pid: int, pidfd: int) -> None:
    """Wait for the end of a process that ends by itself."""
    if select.select([pidfd], [], [], PATIENCE)[0]:
        os.waitpid(pid, 0)
        return
    _log.error("the process %d does not end, which belongs to a filesystem", pid)
