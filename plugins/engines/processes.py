"""Managers that are processes of this machine, and whose containers are their children."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager

from cntr_core.kernel import procfs
from cntr_core.kernel.syscall import owned


def process(pid: int) -> AbstractContextManager[int]:
    """The directory of a process in /proc, open for the block.

    :raises FileNotFoundError: there is no such process.
    """
    return owned(procfs.open_process(pid))


def called(name: bytes) -> Iterator[int]:
    """The processes with that name (proc(5), comm), which every user may read."""
    for entry in os.listdir("/proc"):
        try:
            if entry.isdecimal() and name_of(int(entry)) == name:
                yield int(entry)
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue  # it ended meanwhile, or is hidden (hidepid, proc(5))


def name_of(pid: int) -> bytes:
    """:raises FileNotFoundError, ProcessLookupError: the process has ended."""
    with open(f"/proc/{pid}/comm", "rb", buffering=0) as file:
        return file.read().removesuffix(b"\n")


def child_in_new_namespace(pid: int) -> int | None:
    """The first child that is in a PID namespace below the one of its parent: a container's first process.

    :raises FileNotFoundError, ProcessLookupError: the process has ended.
    """
    with process(pid) as directory:
        depth = len(procfs.read_status(directory).namespace_pids)
        for child in procfs.read_children(directory):
            with process(child) as theirs:
                if len(procfs.read_status(theirs).namespace_pids) > depth:
                    return child
    return None


def first_child(pid: int) -> int | None:
    """:raises FileNotFoundError, ProcessLookupError: the process has ended."""
    with process(pid) as directory:
        return next(iter(procfs.read_children(directory)), None)


def is_ours(pid: int, container: str) -> bool:
    """Whether process `pid` of this machine belongs to the container: its cgroup or its mounts name the id."""
    try:
        directory = procfs.open_process(pid)
    except FileNotFoundError:
        return False
    with owned(directory):
        try:
            return any(container.encode() in procfs.read(directory, name) for name in ("cgroup", "mountinfo"))
        except OSError:
            return True  # it may not be looked into, and the session will say so
