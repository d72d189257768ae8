"""What a container may call and use up, and whether it came to that."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from typing import Any

from ..dataclass import dataclass, field
from ..kernel import cgroups
from . import seccomp_profile

_UNITS = (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10))
_NO_LIMIT = 1 << 60  # v1 shows the largest number of pages
PIDS_LIMIT = 2048
"""Processes and threads of a container, as podman has it."""


def default_memory() -> int:
    """Bytes: three quarters of the machine's memory."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 4 * 3


@dataclass(frozen=True, slots=True)
class Confinement:
    """The limits of a container of ours: `pids` processes and `memory` bytes, each 0 for none; a profile of `seccomp`
    in docker's format, None for no filter."""

    pids: int = PIDS_LIMIT
    memory: int = field(default_factory=default_memory)
    seccomp: Mapping[str, Any] | None = field(default_factory=seccomp_profile.default_profile)
    no_new_privileges: bool = False

    def resources(self) -> dict[str, Any]:
        """The part of ``linux.resources``, as far as there are controllers for it."""
        known = cgroups.controllers()
        wanted = {"pids": self.pids, "memory": self.memory}
        return {name: {"limit": limit} for name, limit in wanted.items() if limit and name in known}

    def filter(self, capabilities: Collection[str]) -> dict[str, Any] | None:
        """The ``linux.seccomp`` of a container with `capabilities`; :raises UsageError: the profile makes none."""
        if self.seccomp is None:
            return None
        return seccomp_profile.for_container(self.seccomp, capabilities, os.uname())


@dataclass(frozen=True, slots=True)
class LimitWatch:
    """Tells whether a container met a limit of its cgroup; also after its end, until the cgroup is removed. The files
    are those that count it, empty where nothing can be told."""

    memory: str = ""
    pids: str = ""

    @classmethod
    def of(cls, pid: int) -> LimitWatch:
        """For the container of the process `pid`, which must not have ended: v1 does not tell the cgroup of one that
        has. Of a container that shares ours, as those of ordinary users do, nothing is told."""
        return cls(_own(cgroups.memory_events, pid), _own(cgroups.pids_events, pid))

    def met(self) -> str:
        """Which limit it met, and what that did, in a sentence; empty for none."""
        if cgroups.oom_kills(self.memory):
            limit = _size(cgroups.memory_limit(self.memory))
            return f"the kernel killed a process of the container for lack of memory (its limit is {limit})"
        if cgroups.refused_forks(self.pids):
            limit = str(cgroups.pids_limit(self.pids) or "that of a cgroup above")
            return f"the container could not start another process (its limit is {limit})"
        return ""


def _own(events: Callable[[int], str], pid: int) -> str:
    found = events(pid)
    return found if found != events(os.getpid()) else ""


def _size(count: int) -> str:
    if not 0 < count < _NO_LIMIT:
        return "that of a cgroup above"
    unit, size = next(((unit, size) for unit, size in _UNITS if count >= size), ("bytes", 1))
    return f"{count / size:.4g} {unit}"
