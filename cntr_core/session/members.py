"""The processes of a session: all that are in its mount namespace, whoever they are."""

from __future__ import annotations

import contextlib
import os
import signal
import time

from ..kernel import cgroups

GRACE = 2.0
"""Seconds that a process may take to disappear after SIGKILL."""


def kill_members(proc: int, session: int) -> None:
    """Kill every process of the mount namespace `session`, a descriptor, until none is left or GRACE is over.

    `proc` is the host's /proc. Zombies have no namespaces, and do not count.
    """
    deadline = time.monotonic() + GRACE
    while members := _members(proc, session):
        for pid in members:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > deadline:  # pragma: no cover - a process in state D
            return
        time.sleep(0.005)


def thaw_members(proc: int, session: int) -> None:
    """Have those that are frozen with the container able to die."""
    for pid in _members(proc, session):
        with contextlib.suppress(OSError):
            cgroups.leave_freezer(pid)


def _members(proc: int, session: int) -> list[int]:
    namespace = os.fstat(session)
    members = []
    for name in filter(str.isdecimal, os.listdir(proc)):
        with contextlib.suppress(OSError):
            if os.path.samestat(os.stat(f"{name}/ns/mnt", dir_fd=proc), namespace):
                members.append(int(name))
    return members
