"""rkt, which was given up in 2020, by its own tool: its API service is seldom at work.

A pod's process is its PID 1, the stage 1 in which the applications' roots are; ``rkt status`` tells it, or (with a
stage 1 of systemd-nspawn) the process that has started it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import ClassVar

from cntr_core import Container, ContainerState, Engine, EngineStatus, hookimpl
from cntr_core.dataclass import replace
from cntr_core.engine import matching
from cntr_core.errors import EngineError

from .processes import child_in_new_namespace
from .programs import check_installed, printed

_ABSENT = "rkt is no longer maintained: use pid://"
_CELL = re.compile(r"\t+| {2,}")  # tabs, which a terminal's copy shows as blanks
_LEGEND = re.compile(r"UUID\s+APP\s+IMAGE NAME\s+IMAGE ID\s+STATE\b")
_CELLS = 5
"""Those that a pod's line has at least."""
_STATES = {  # rkt/pkg/pod/pods.go
    "embryo": ContainerState.CREATED,
    "preparing": ContainerState.CREATED,
    "prepared": ContainerState.CREATED,
    "running": ContainerState.RUNNING,
}
"""All others have ended, in one way or another."""


class RktEngine(Engine):
    """The pods of rkt's data directory."""

    name: ClassVar[str] = "rkt"

    def status(self) -> EngineStatus:
        try:
            version = _rkt("version").splitlines()[0]  # rkt Version: 1.30.0
        except EngineError as error:
            return EngineStatus(available=False, detail=error.message, hint=error.hint)
        except IndexError:
            return EngineStatus(available=False, detail="rkt version prints nothing", hint="run rkt version")
        return EngineStatus(available=True, detail=f"version {version.rpartition(' ')[2]}")

    def check_presence(self) -> None:
        check_installed("rkt", "rkt", _ABSENT)

    def containers(self) -> Iterable[Container]:
        return list(pods(_rkt("list", "--full")))

    def find(self, name: str) -> Sequence[Container]:
        return [_with_process(pod) for pod in matching(name, self.containers())]


def _rkt(*arguments: str) -> str:
    return printed("rkt", "rkt", *arguments, absent=_ABSENT)


def pods(table: str) -> Iterator[Container]:
    """The pods of what ``rkt list --full`` prints: a line for each application, the first one with the pod's own facts.

    :raises EngineError: it is no such table.
    """
    lines = table.splitlines()
    if not lines:
        return
    of_pods = [_CELL.split(line) for line in lines if not line[:1].isspace()]  # and not of a pod's further applications
    if not _LEGEND.match(lines[0]) or any(len(cells) < _CELLS for cells in of_pods):
        raise EngineError(f"rkt prints an unexpected table: {lines[0]!r:.80}", "run rkt list --full")
    for uuid, app, image, _, state, *_ in of_pods[1:]:
        known = _STATES.get(state, ContainerState.EXITED)
        yield Container(RktEngine.name, uuid, "" if app == "-" else app, known, image="" if image == "-" else image)


def _with_process(pod: Container) -> Container:
    if pod.state is not ContainerState.RUNNING:
        return pod
    pid = pid_of(_rkt("status", pod.id))
    with suppress(FileNotFoundError, ProcessLookupError):
        return replace(pod, pid=pid and (child_in_new_namespace(pid) or pid))
    return replace(pod, state=ContainerState.EXITED)


def pid_of(status: str) -> int | None:
    """The PID in what ``rkt status`` prints; None where it has none yet, or no longer."""
    fields = dict(line.split("=", 1) for line in status.splitlines() if "=" in line)
    return int(fields["pid"]) if fields.get("pid", "").isdecimal() and fields.get("exited") != "true" else None


@hookimpl
def cntr_register_engine() -> Engine:
    return RktEngine()
