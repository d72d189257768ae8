"""Whether the kernel killed a command because its cgroup was out of memory."""

from __future__ import annotations

import os
import signal

from ..errors import CommandOutOfMemory
from ..kernel import cgroups
from .target import Target


class MemoryWatch:
    """Counts the kernel's killings in the cgroup of a session's command, from now on.

    That is the target's, or the caller's where the session does not join it.
    """

    def __init__(self, target: Target, *, joins_cgroup: bool) -> None:
        self._events = cgroups.memory_events(target.thread if joins_cgroup else os.getpid())
        self._before = cgroups.oom_kills(self._events)

    def check(self, code: int) -> int:
        """`code`, the command's exit code.

        :raises CommandOutOfMemory: it was killed, and so was some process of the cgroup for lack of memory.
        """
        if code == 128 + signal.SIGKILL and cgroups.oom_kills(self._events) > self._before:
            raise CommandOutOfMemory(
                "the kernel killed the command, as its cgroup was out of memory",
                "raise the container's memory limit, or use --no-cgroup to leave the session in yours",
            )
        return code
