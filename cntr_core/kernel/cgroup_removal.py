"""Removing control groups, with the processes in them (cgroups(7))."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress

from .mounts import CGROUP2_SUPER_MAGIC, CGROUP_SUPER_MAGIC, statfs_type
from .process import pidfd_open, pidfd_send_signal
from .syscall import owned

_DEATH, _POLL = 2.0, 0.01


def is_group(path: str) -> bool:
    """Whether a control group is there; :raises OSError: nothing is."""
    with owned(os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)) as fd:
        return statfs_type(fd) in (CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC)


def remove_group(group: str) -> None:
    """Remove the group and those below; :raises OSError: a process lives there."""
    for directory, _, _ in os.walk(group, topdown=False):
        os.rmdir(directory)


def end_members(group: str) -> None:
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
