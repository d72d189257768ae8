"""One image of a batch: ``cntr slim`` in a process of its own, on whichever machine. Its result is given as content."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from cntr_core.errors import CntrError
from cntr_core.images.temporary import temporary_directory
from cntr_core.json_text import read_json
from cntr_core.reasons import reason

_LARGEST = 1 << 28
"""Bytes of a file of the report that are taken along."""
_PATIENCE = 20.0
"""Seconds in which a run that is to end may clean up."""
_running: dict[int, tuple[str, subprocess.Popen[bytes]]] = {}
"""The processes of this one, with their batches."""


@dataclass(frozen=True, slots=True)
class Job:
    """A call of ``cntr slim``: its words without those of output and report, and the directory where it is made. The
    pair goes to `destination`. `batch` names the call that it belongs to."""

    batch: str
    words: tuple[str, ...]
    destination: str
    directory: str


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a job: `error` is what ``cntr slim --json`` says of a failure, None for a success; `files` are the
    report's by their names; `seconds` is how long it took, `worker` who did it."""

    error: Mapping[str, Any] | None
    files: Mapping[str, bytes]
    seconds: float
    worker: str


def run(job: Job, worker: str = "") -> Result:
    """Do the job. Its process ends with the thread that does it."""
    began = time.monotonic()
    try:
        error, files = _run(job)
    except CntrError as failure:
        error, files = _told(failure.message, failure.hint, failure.code), {}
    except OSError as failure:
        error, files = _told(reason(failure), "see whether the worker has the same files as you"), {}
    return Result(error, files, round(time.monotonic() - began, 3), worker)


def end(batch: str) -> None:
    """End the processes of the batch that this process has started."""
    for owner, process in list(_running.values()):
        if owner == batch:
            process.terminate()


def _run(job: Job) -> tuple[Mapping[str, Any] | None, Mapping[str, bytes]]:
    with temporary_directory("cntr-batch-") as (place, _):
        report = os.path.join(place, "report")
        own = ("--json", "--report", report, "--output", job.destination)
        line = [sys.executable, "-c", _start(), str(os.getpid()), *own, *job.words]
        with open(os.path.join(place, "stdout"), "w+b") as stdout, open(os.path.join(place, "stderr"), "w+b") as stderr:
            process = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, cwd=job.directory)
            code = _waited(process, job.batch)
        error = None if code == 0 else _error(place, code)
        return error, _files(report)


def _start() -> str:
    """Starts :mod:`.child`, which only this process may know where to find: cntr.pyz has an interpreter of the system.
    Not in the directory of the job, whatever is there."""
    found = [path for path in sys.path if path]
    return f"import sys; sys.path[:] = {found!r}; from cntr_slimmer.batch.child import start; start()"


def _waited(process: subprocess.Popen[bytes], batch: str) -> int:
    _running[process.pid] = (batch, process)
    try:
        return process.wait()
    finally:
        del _running[process.pid]
        if process.returncode is None:  # pragma: no cover - an interrupt
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(_PATIENCE)


def _error(place: str, code: int) -> Mapping[str, Any]:
    """What the failed call says, as its JSON or else as its last words."""
    with suppress(ValueError, KeyError, TypeError):
        error = read_json(_content(os.path.join(place, "stdout")))["error"]
        return {name: str(error[name]) for name in ("code", "message", "hint")}
    if code < 0:
        return _told(f"it was ended by {signal.Signals(-code).name}", "check whether memory ran out")
    last = _content(os.path.join(place, "stderr")).decode(errors="replace").strip().splitlines()[-1:]
    return _told(last[0] if last else f"exit code {code}", "run it by itself")


def _told(message: str, hint: str, code: str = "batch") -> Mapping[str, Any]:
    return {"code": code, "message": message, "hint": hint}


def _files(report: str) -> Mapping[str, bytes]:
    names = sorted(os.listdir(report)) if os.path.isdir(report) else []
    return {name: _content(os.path.join(report, name)) for name in names}


def _content(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read(_LARGEST)
