"""Imported by every interpreter that finds this directory in PYTHONPATH; acts where CNTR_COVERAGE_LOG names a log."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Callable
from typing import Any


def install(path: str, *, forks_alone: bool = False) -> None:
    """Have this process and its forks, or these alone, append what they measure to the log, instead of a data file."""
    import fcntl

    try:
        import coverage
    except ImportError:  # an interpreter of another environment, as that of docker-compose
        return
    measured: Any = coverage.Coverage.current()
    if measured is None:
        return
    # A high number, so that the descriptors a test looks at are the ones it would see without coverage.
    low = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    log = fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, 900)
    os.close(low)

    def forget() -> None:
        for arcs in measured._collector.data.values():  # the tracer has these very sets
            arcs.clear()

    def save() -> None:
        with contextlib.suppress(Exception):
            arcs = {file: list(found) for file, found in measured._collector.data.items() if found}
            record = b"\n%s\n" % json.dumps(arcs).encode()  # on lines of its own, also after one that was cut off
            before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a container may limit its files to no bytes
            try:
                os.write(log, record)
            finally:
                signal.signal(signal.SIGXFSZ, before)
            forget()

    def take_over() -> None:
        measured.save = save  # whenever coverage.py would: at exit, on SIGTERM, in os._exit
        os.execve = saved_before(os.execve)  # type: ignore[assignment]  # keeps its signature

    def saved_before(function: Callable[..., Any]) -> Callable[..., Any]:
        def saving(*arguments: Any) -> Any:
            save()
            return function(*arguments)

        return saving

    def in_child() -> None:
        forget()  # it is the parent's to tell
        if measured.save is not save:
            take_over()

    def closerange(first: int, last: int) -> None:
        for begin, end in ((first, min(last, log)), (max(first, log + 1), last)):
            if begin < end:
                close(begin, end)

    close = os.closerange
    os.closerange = closerange
    os.register_at_fork(after_in_child=in_child)
    if not forks_alone:
        take_over()


if os.environ.get("CNTR_COVERAGE_LOG"):
    install(os.environ["CNTR_COVERAGE_LOG"])
