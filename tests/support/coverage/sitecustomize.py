"""Imported by every interpreter that finds this directory in PYTHONPATH; acts where CNTR_COVERAGE_LOG names a log."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import struct
from collections.abc import Callable
from typing import Any

_HEADER = struct.Struct("<I")


def _install(path: str) -> None:
    import coverage
    from coverage import CoverageData

    measured = coverage.Coverage.current()
    if measured is None:
        return
    # A high number, so that the descriptors a test looks at are the ones it would see without coverage.
    low = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    import fcntl

    log = fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, 900)
    os.close(low)
    json.dumps({file: [] for file in CoverageData(no_disk=True).measured_files()})  # loads what saving needs
    forked = False

    def in_child() -> None:
        nonlocal forked
        forked = True
        collector: Any = measured._collector
        measured._data = CoverageData(no_disk=True)
        collector.use_data(measured._data, None)

    def save() -> None:
        with contextlib.suppress(Exception):
            data = measured.get_data()
            arcs = {file: data.arcs(file) for file in data.measured_files()}
            record = json.dumps({file: lines for file, lines in arcs.items() if lines}).encode()
            before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a container may limit its files to no bytes
            try:
                os.write(log, _HEADER.pack(len(record)) + record)
            finally:
                signal.signal(signal.SIGXFSZ, before)

    def before(function: Callable[..., Any], *, once: bool = False) -> Callable[..., Any]:
        saved = False

        def saving(*arguments: Any) -> Any:
            nonlocal saved
            if forked and not (once and saved):
                saved = True
                save()
            return function(*arguments)

        return saving

    def closerange(first: int, last: int) -> None:
        for begin, end in ((first, min(last, log)), (max(first, log + 1), last)):
            if begin < end:
                close(begin, end)

    close = os.closerange
    os.closerange = closerange
    # Of the attempts along PATH the first may be the last.
    os.execve = before(os.execve, once=True)  # type: ignore[assignment]  # keeps its signature
    os._exit = before(os._exit)  # type: ignore[assignment]  # keeps its signature
    os.register_at_fork(after_in_child=in_child)
    if os.geteuid() != 0:
        in_child()  # an ordinary user cannot write a file beside the others, either


if os.environ.get("CNTR_COVERAGE_LOG"):
    _install(os.environ["CNTR_COVERAGE_LOG"])
