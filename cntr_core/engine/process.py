"""The first process of a container, and certainty that it still is the same one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import ContainerNotRunning
from ..kernel import process as kernel_process
from ..kernel import procfs
from ..kernel.syscall import owned
from ..types import Container, ContainerProcess, ContainerState


def running_process(container: Container, *, paused: bool = False) -> ContainerProcess:
    """The init process of a container, pinned by its start time; also of one that is paused, if `paused`.

    :raises ContainerNotRunning: it is stopped, paused, or ended just now.
    """
    ref, states = container.ref, (ContainerState.RUNNING, *((ContainerState.PAUSED,) if paused else ()))
    if container.state is ContainerState.PAUSED and not paused:
        raise ContainerNotRunning(
            f"{ref} is paused, so no command could run in it", "unpause it first, or use --no-cgroup"
        )
    if container.state not in states or not container.pid:
        hint = "start it first; or look at its files: cntr attach --stopped"
        raise ContainerNotRunning(f"{ref} is not running ({container.state.value})", hint)
    try:
        return ContainerProcess(container, container.pid, kernel_process.start_time(container.pid))
    except (FileNotFoundError, ProcessLookupError):
        raise ContainerNotRunning(f"{ref} ended just now", "start it again") from None


@contextmanager
def pin(process: ContainerProcess) -> Iterator[int]:
    """A pidfd of the process, and certainty that it is the one that was found, and not another with its number.

    :raises ContainerNotRunning: it has ended; a zombie of which no thread lives counts as gone, since PID 1 does not
        always reap.
    """
    gone = ContainerNotRunning(f"{process.container.ref} has ended", "start it again")
    try:
        pidfd = kernel_process.pidfd_open(process.pid)
    except OSError:
        raise gone from None
    with owned(pidfd):
        if not _is_same(process):
            raise gone
        yield pidfd


def _is_same(process: ContainerProcess) -> bool:
    try:
        directory = procfs.open_process(process.pid)
    except FileNotFoundError:
        return False
    try:
        stat = procfs.read_stat(directory)
    except (ProcessLookupError, FileNotFoundError):
        return False
    finally:
        os.close(directory)
    return stat.start_time == process.start_time and _lives(process.pid)


def _lives(pid: int) -> bool:
    try:
        return procfs.living_thread(pid) is not None
    except (FileNotFoundError, ProcessLookupError):  # pragma: no cover - a race: it was there just now
        return False
