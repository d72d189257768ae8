"""What each lever of the filesystem's policy gains: the same workloads with one of them switched off at a time.

A lever is a field of the policy. One that is true is switched off by being false; what the others are without their
lever stands in `_OFF`. So a new one needs a line here only where it is no truth value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import fields, replace
from typing import Any, ClassVar

from cntr_plugins.fs.direct.loop import serve
from cntr_plugins.fs.logic.notifier import Notifier
from cntr_plugins.fs.logic.operations import Operations
from cntr_plugins.fs.logic.policy import Opening, Policy
from cntr_plugins.fs.logic.stop import Stopper
from cntr_plugins.fs.server import served

from cntr_core.filesystem import Filesystem, MountRequest, ServedMount
from cntr_core.types import Missing

from .disk_suite import DISK
from .ways import Way, by
from .workloads import COMMON, Part, Workload

ALL_LEVERS = "all levers"
BY_MESSAGES = "passthrough, and opening without a message"
_OFF: Mapping[str, Mapping[str, Any]] = {
    "timeouts": {"timeout": 0, "listed_timeout": 0},
    BY_MESSAGES: {"opening": Opening.HANDLES},
}
_MEASURED = (
    "find, cold",
    "find, warm",
    "stat of all names",
    "git status",
    "python start, warm",
    "read a big file, warm",
    "create files",
    "untar",
    "rm -r",
    "grep -r",
    "4 kB random writes",
    "write a big file",
    "Compilebench read",
    "IOzone read",
    "Threaded I/O read",
)
_QUICKLY = ("find, warm", "untar")


def levers() -> dict[str, Mapping[str, Any]]:
    """What is to be replaced in a policy, by the names of the levers that it takes away."""
    others = {name for changes in _OFF.values() for name in changes}
    truths = [one.name for one in fields(Policy) if one.type == "bool" and one.name not in others]
    return {**_OFF, **{name.replace("_", " "): {name: False} for name in truths}}


class Without(Filesystem):
    """The backend ``direct`` with changes to its policy."""

    name: ClassVar[str] = "direct-without"

    def __init__(self, changes: Mapping[str, Any]) -> None:
        self._changes = changes

    def missing(self) -> Sequence[Missing]:
        return []

    def mount(self, request: MountRequest) -> AbstractContextManager[ServedMount]:
        changes = self._changes

        def changed(device: int, operations: Operations[Any], policy: Policy, stopper: Stopper, told: Notifier) -> None:
            serve(device, operations, replace(policy, **changes), stopper, told)

        return served(request, changed)


def lever_ways(workload: Workload) -> list[Way]:
    """With all levers, and with each of them off, by the kind of mount that a session has for such work."""
    chosen = {ALL_LEVERS: {}, **{f"without {name}": changes for name, changes in levers().items()}}
    return [Way(name, True, by(Without(changes), read_only=_reads(workload))) for name, changes in chosen.items()]


def _reads(workload: Workload) -> bool:
    return any(one.name == workload.name and one.part is Part.READ_ONLY for one in COMMON)


LEVERS = tuple(
    replace(one, part=Part.LEVERS, long=one.name not in _QUICKLY) for one in (*COMMON, *DISK) if one.name in _MEASURED
)
