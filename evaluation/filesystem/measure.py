"""One workload in one round: all ways take their turns, so that a change of the machine's speed reaches each."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime

from cntr_core.errors import CntrError

from ..machine import machine
from .ground import Ground, drop_caches, write_back
from .results import Turn
from .ways import Way, mounted
from .workloads import Place, State, Workload

_FAILURES = (OSError, ValueError, CntrError, subprocess.SubprocessError)


def turn(workload: Workload, number: int, ways: Sequence[Way], ground: Ground) -> Turn:
    """Measure it once by each way; each round begins with another one."""
    started = datetime.now(UTC).isoformat(timespec="seconds")
    seconds: dict[str, float] = {}
    missing: dict[str, str] = {}
    able = [way for way in ways if way.writable or not workload.writes]
    first = number % len(able) if able else 0
    for way in [*able[first:], *able[:first]]:
        try:
            seconds[way.name] = _once(workload, way, ground)
        except _FAILURES as error:
            missing[way.name] = _why(error, ground)
    return Turn(
        workload=workload.name,
        part=workload.part,
        state=workload.state,
        by=workload.by,
        size=ground.size.name,
        round=number,
        ground=ground.kind,
        machine=machine(),
        load=round(os.getloadavg()[0], 2),
        started=started,
        seconds=seconds,
        missing=missing,
    )


def lacking(workload: Workload) -> str:
    """Why it cannot run here; empty where it can."""
    absent = [program for program in workload.needs if shutil.which(program) is None]
    return f"{' and '.join(absent)} not installed" if absent else ""


def _once(workload: Workload, way: Way, ground: Ground) -> float:
    """One workload by one way, in a new mount, and with a directory of its own, which is empty."""
    with ExitStack() as stack:
        if workload.writes:
            own = _own(ground, way)
            stack.callback(shutil.rmtree, own)
        workload.made(_place(ground.path, way, ground))
        _settle(workload, way, ground)
        root = stack.enter_context(mounted(way, ground.path, os.path.join(os.path.dirname(ground.path), "mount")))
        place = _place(root, way, ground)
        workload.prepare(place)
        if workload.state is State.WARM:
            workload.run(place)
            time.sleep(place.size.pause)
        began = time.perf_counter()
        rate = workload.run(place)
        return float(f"{1 / rate if rate else time.perf_counter() - began:.6g}")


def _settle(workload: Workload, way: Way, ground: Ground) -> None:
    """Have the kernel's caches in the workload's state; the mount comes after this, and knows nothing."""
    if workload.state is State.COLD:
        drop_caches(ground.path)
        return
    write_back(ground.path)
    if workload.state is State.BACKING and not workload.writes:
        workload.run(_place(ground.path, way, ground))
    elif workload.writes:
        _read_all(os.path.join(ground.path, "tree"), "source", "source.tar")


def _read_all(top: str, folder: str, file: str) -> None:
    """Have what is copied, searched or unpacked in the page cache."""
    paths = [
        os.path.join(directory, name) for directory, _, names in os.walk(os.path.join(top, folder)) for name in names
    ]
    for path in [*paths, os.path.join(top, file)]:
        with open(path, "rb") as content:
            content.read()


def _place(root: str, way: Way, ground: Ground) -> Place:
    return Place(root, _name(way), ground.size)


def _own(ground: Ground, way: Way) -> str:
    path = os.path.join(ground.path, "work", _name(way))
    shutil.rmtree(path, ignore_errors=True)
    os.mkdir(path)
    return path


def _name(way: Way) -> str:
    """A way's name as a directory's."""
    return way.name.replace(", ", "-").replace(" ", "-")


def _why(error: Exception, ground: Ground) -> str:
    """The reason of a failure, in a line, without where on this machine it was measured."""
    if isinstance(error, subprocess.CalledProcessError):
        said = str(error.stderr or error.stdout or "").split("\n")
        told = f"{error.cmd[0]} ended with code {error.returncode}: {' / '.join(filter(None, said[-3:]))}"
    elif isinstance(error, OSError) and error.errno:
        told = f"{errno.errorcode.get(error.errno, error.errno)}: {error.strerror}"
    else:
        told = str(error)
    return told.replace(f"{os.path.dirname(ground.path)}/", "")[:300]
