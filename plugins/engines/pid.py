"""A bare PID: whatever process the caller can see, in a container or not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from cntr_core import Container, ContainerState, Engine, EngineStatus, hookimpl
from cntr_core.errors import ContainerNotFound, ContainerNotRunning
from cntr_core.kernel import procfs

from .processes import process


class PidEngine(Engine):
    """Takes a process ID of the caller's PID namespace as the name of a container."""

    name: ClassVar[str] = "pid"

    def status(self) -> EngineStatus:
        return EngineStatus(available=True, detail="any process by its PID", endpoint="/proc")

    def containers(self) -> Sequence[Container]:
        """None: every process would be one."""
        return ()

    def find(self, name: str) -> Sequence[Container]:
        if not name.isascii() or not name.isdecimal():
            raise ContainerNotFound(f"'{name}' is no process ID", "give a number after pid://")
        pid = int(name)
        status = _status(pid)
        if status.tgid != pid:
            raise ContainerNotFound(f"{pid} is a thread of process {status.tgid}", f"use pid://{status.tgid}")
        if status.state.startswith(("Z", "X")):
            if not procfs.living_thread(pid):
                raise ContainerNotRunning(f"process {pid} has ended, and was not waited for", "give another process")
        elif not status.has_memory:
            raise ContainerNotRunning(f"process {pid} is a kernel thread", "give another process")
        return [Container(self.name, name, name, ContainerState.RUNNING, pid)]


def _status(pid: int) -> procfs.ProcessStatus:
    try:
        with process(pid) as directory:
            return procfs.read_status(directory)
    except (ProcessLookupError, FileNotFoundError):
        raise ContainerNotFound(f"there is no process {pid}", "see ps -e") from None


@hookimpl
def cntr_register_engine() -> Engine:
    return PidEngine()
