"""What the kernel tells of processes, and waiting for them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress

PATIENCE = 20.0
"""Seconds that a step may take before it counts as hanging; cntr itself is less patient."""


def wait_until(condition: Callable[[], object], what: str, limit: float = PATIENCE) -> None:
    """Poll until `condition` holds; `what` says in the failure what never came."""
    deadline = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < deadline, f"not within {limit:g} s: {what}"
        time.sleep(0.02)


def children(pid: int) -> list[int]:
    """The direct children of a process."""
    found = []
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/children") as file:
            found += [int(word) for word in file.read().split()]
    return found


def descendants(pid: int) -> list[int]:
    """All processes below `pid`, itself not among them."""
    below = []
    with suppress(FileNotFoundError, ProcessLookupError):
        for child in children(pid):
            below += [child, *descendants(child)]
    return below


def is_alive(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def living_in(pid: int) -> list[tuple[int, str]]:
    """The living processes of the PID namespace of `pid`, with their names, whoever they belong to."""
    namespace = os.readlink(f"/proc/{pid}/ns/pid")
    found = []
    for name in filter(str.isdecimal, os.listdir("/proc")):
        with suppress(OSError):
            if os.readlink(f"/proc/{name}/ns/pid") == namespace and is_alive(int(name)):
                with open(f"/proc/{name}/comm") as file:
                    found.append((int(name), file.read().strip()))
    return sorted(found)


def read_bytes(path: str) -> bytes:
    """A whole file."""
    with open(path, "rb") as file:
        return file.read()
