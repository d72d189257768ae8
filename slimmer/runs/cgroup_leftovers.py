"""Control groups of runs whose processes of ours all died: the kernel keeps them, and the next run removes them."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Collection
from contextlib import suppress

from cntr_core.kernel import cgroups
from cntr_core.kernel.process import pidfd_open, pidfd_send_signal
from cntr_core.kernel.syscall import owned

_NAME = re.compile(r"cntr-run-[0-9a-f]{16}")
_YOUNG = 60.0
"""Seconds: a younger group without processes may be one that a runtime is just making."""
_DEATH, _POLL = 2.0, 0.01


def remove_cgroups(dead: Collection[str]) -> None:
    """Remove the groups of the runs `dead`, whose processes are killed, and those of any run in which nobody lives."""
    for hierarchy in cgroups.hierarchies():
        with suppress(OSError):
            for name in filter(_NAME.fullmatch, os.listdir(hierarchy)):
                _remove(os.path.join(hierarchy, name), is_dead=name in dead)


def _remove(group: str, *, is_dead: bool) -> None:
    with suppress(OSError):
        if is_dead:
            _end(group)
        elif time.time() - os.stat(group).st_mtime < _YOUNG:
            return
        for directory, _, _ in os.walk(group, topdown=False):
            os.rmdir(directory)  # EBUSY while a process lives there


def _end(group: str) -> None:
    """Kill all in the group and below, and wait until they are gone."""
    deadline = time.monotonic() + _DEATH
    while (found := _members(group)) and time.monotonic() < deadline:
        for pid in found:
            with suppress(OSError), owned(pidfd_open(pid)) as pidfd:
                if pid in _members(group):  # the number is still that process's
                    pidfd_send_signal(pidfd, signal.SIGKILL)
        time.sleep(_POLL)


def _members(group: str) -> set[int]:
    members: set[int] = set()
    for directory, _, _ in os.walk(group):
        with suppress(OSError), open(os.path.join(directory, "cgroup.procs"), encoding="ascii") as file:
            members |= set(map(int, file.read().split()))
    return members
