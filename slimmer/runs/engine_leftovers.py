"""What a run leaves in an engine, should we die, or the engine: it is removed, now or by the next run."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress

from cntr_core.engine.tracing import TracingEngine
from cntr_core.errors import CntrError
from cntr_core.images import remove_tree
from cntr_core.kernel.process import pidfd_open, pidfd_send_signal, start_time
from cntr_core.kernel.syscall import owned

_log = logging.getLogger(__name__)

_NOTE = "process"
_PATIENCE = 10.0
"""Seconds that an engine which does not answer is asked again."""
_FLIGHT = 0.6
"""Seconds after our death in which an engine may still make what we asked it for."""
_PAUSE = 0.2


def note_process(directory: str, pid: int) -> None:
    """Write down in `directory` who the container's first process is, for :func:`remove_run`."""
    with open(os.path.join(directory, _NOTE), "w", encoding="ascii") as file:
        file.write(f"{pid} {start_time(pid)}")


def remove_run(engine: TracingEngine, name: str, directory: str) -> None:
    """In the cleanup process: end the container `name`, remove it, and remove the `directory` of its shim.

    Its process is ended first: it does no longer run where the engine has died.
    """
    known = _kill_noted(os.path.join(directory, _NOTE))
    insist(lambda: engine.remove_traced(name), 0 if known else _FLIGHT)
    remove_tree(directory)


def insist(remove: Callable[[], object], flight: float = _FLIGHT) -> bool:
    """Have `remove` succeed within some seconds, and once more `flight` seconds later: what it removes may just be
    made. Whether it did."""
    begun = time.monotonic()
    while time.monotonic() < begun + _PATIENCE:
        try:
            remove()
        except CntrError as error:
            _log.debug("%s", error)
            time.sleep(_PAUSE)
            continue
        if time.monotonic() > begun + flight:
            return True
        time.sleep(max(0.0, begun + flight - time.monotonic()))
        flight = 0
    return False


def _kill_noted(note: str) -> bool:
    """Kill the process that the file `note` tells of, if it is that one still; whether there is such a note."""
    try:
        with open(note, encoding="ascii") as file:
            pid, started = map(int, file.read().split())
    except (OSError, ValueError):
        return False
    with suppress(OSError), owned(pidfd_open(pid)) as pidfd:
        if start_time(pid) == started:
            pidfd_send_signal(pidfd, signal.SIGKILL)
    return True
