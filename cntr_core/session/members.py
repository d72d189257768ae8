"""The processes of a session: all that are in its mount namespace, whoever they are. ``cntr exec`` has none of its own;
its processes are those of the session (setsid(2)) that its command leads, so what left that stays, as a daemon does."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable
from typing import NamedTuple

from ..kernel import cgroups
from ..kernel.procfs import ProcfsError, Stat, parse_stat, read, read_children
from ..kernel.syscall import owned

GRACE = 2.0
"""Seconds that a process may take to disappear after SIGKILL."""


def kill_members(proc: int, session: int) -> None:
    """Kill every process of the mount namespace `session`, a descriptor, until none is left or GRACE is over.

    `proc` is the host's /proc. Zombies have no namespaces, and do not count.
    """
    _kill(lambda: _members(proc, session))


class Leader(NamedTuple):
    """The command of ``cntr exec``, as the host sees it, which leads a session (setsid(2)); the kernel gives its PID to
    nobody else while somebody is in that."""

    pid: int
    start_time: int


def leader_below(proc: int, monitor: int) -> Leader | None:
    """The command of the session that `monitor` guards: the child of its child's child; None where it has ended."""
    try:
        pid = monitor
        for _ in range(3):
            with owned(_process(proc, pid)) as directory:
                [pid] = read_children(directory)
        return Leader(pid, _stat(proc, pid).start_time)
    except (OSError, ValueError, ProcfsError):
        return None


def kill_session(proc: int, *leader: int) -> None:
    """As :func:`kill_members`, for the session of a :class:`Leader`, or of nobody."""
    if leader:
        _kill(lambda: _of_session(proc, Leader(*leader)))


def _kill(find: Callable[[], list[int]]) -> None:
    deadline = time.monotonic() + GRACE
    while sum(map(_killed, find())):  # all of them: any() would stop at the first
        if time.monotonic() > deadline:  # pragma: no cover - a process in state D
            return
        time.sleep(0.005)


def _killed(pid: int) -> bool:
    """Whether the process was there, and ours to kill."""
    try:
        os.kill(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return False
    return True


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


def _of_session(proc: int, leader: Leader) -> list[int]:
    found = []
    for pid in map(int, filter(str.isdecimal, os.listdir(proc))):
        with contextlib.suppress(OSError, ProcfsError):
            stat = _stat(proc, pid)
            if pid == leader.pid and stat.start_time != leader.start_time:
                return []  # the number is another's, and so nobody is left of the session
            if stat.session == leader.pid and stat.state not in "ZX":
                found.append(pid)
    return found


def _stat(proc: int, pid: int) -> Stat:
    with owned(_process(proc, pid)) as directory:
        return parse_stat(read(directory, "stat"))


def _process(proc: int, pid: int) -> int:
    return os.open(str(pid), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=proc)
