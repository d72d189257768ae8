"""A trace: which files a run used, who did, when, and in which phase. Values only; the file is in :mod:`.file`."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

SHIM = b"/shim"
"""What the kernel calls cntr's entrypoint shim: it runs from a mount that is not in the image."""


class Phase(enum.IntEnum):
    """What was going on when a file was used for the first time."""

    SETUP = 0
    """The container was being made: mount points were looked up, before any program of the image ran."""
    START = 1
    """From the first program on."""
    PROBE = 2
    """From the first probe on."""
    SHUTDOWN = 3
    """From the stop signal on."""


class Process(NamedTuple):
    """Who used a file: `exe` is the program's path in the container, `pid` as the tracer saw it."""

    pid: int
    exe: bytes


class Access(NamedTuple):
    """The first access of its kind to a path: `operation` in FUSE's words, `errno` 0 where it worked, `process` an
    index among the trace's processes, `time` in seconds since the container started."""

    path: bytes
    operation: str
    errno: int
    process: int
    time: float
    phase: Phase


@dataclass(frozen=True, slots=True)
class AccessTrace:
    """All first accesses of one run or of several, in the order in which they came.

    `image` is the digest of the image's configuration, which names its content; `platform` and `runs` say what was
    traced: each run is what was executed, with the outcomes of its probes, as plain values for JSON.
    """

    image: str
    platform: str
    accesses: tuple[Access, ...]
    processes: tuple[Process, ...]
    runs: tuple[Mapping[str, Any], ...] = field(default=())

    def used(self) -> Mapping[bytes, frozenset[str]]:
        """The paths that were seen to exist, each with what was done to it."""
        found: dict[bytes, set[str]] = {}
        for access in self.accesses:
            if not access.errno:
                found.setdefault(access.path, set()).add(access.operation)
        return {path: frozenset(operations) for path, operations in found.items()}

    def absent(self) -> frozenset[bytes]:
        """The paths that were looked for in vain, and never found."""
        used = self.used()
        return frozenset(access.path for access in self.accesses if access.errno and access.path not in used)

    def of(self, path: bytes) -> list[Access]:
        """What was done to one path."""
        return [access for access in self.accesses if access.path == path]


def merge(traces: Iterable[AccessTrace]) -> AccessTrace:
    """All accesses of several traces of one image; of equal ones the earliest trace's.

    :raises ValueError: they are not of one image.
    """
    first, *rest = traces
    accesses = {(a.path, a.operation, a.errno): a for a in first.accesses}
    processes = list(first.processes)
    runs = list(first.runs)
    for trace in rest:
        if trace.image != first.image:
            raise ValueError("the traces are of different images")
        for access in trace.accesses:
            moved = access._replace(process=access.process + len(processes))
            accesses.setdefault((access.path, access.operation, access.errno), moved)
        processes += trace.processes
        runs += trace.runs
    return AccessTrace(first.image, first.platform, tuple(accesses.values()), tuple(processes), tuple(runs))


def difference(one: AccessTrace, other: AccessTrace) -> tuple[list[bytes], list[bytes]]:
    """The paths that only `one` used, and those that only `other` did, sorted."""
    left, right = one.used().keys(), other.used().keys()
    return sorted(left - right), sorted(right - left)
