"""What a run leaves in an engine, should we die, or the engine: it is removed, now or by the next run."""

from __future__ import annotations

import logging
import os
import re
import signal
import sys
import time
import uuid
from collections.abc import Callable
from contextlib import suppress

from cntr_core import Engine
from cntr_core.engine.tracing import TracedContainer, TracingEngine
from cntr_core.errors import CntrError, EngineError
from cntr_core.images import remove_tree
from cntr_core.kernel.process import boot_id, pidfd_open, pidfd_send_signal, start_time
from cntr_core.kernel.syscall import owned
from cntr_core.labels import RUN

_log = logging.getLogger(__name__)

_NOTE = "process"
_SEPARATOR = "_"
_IMAGE = re.compile(rf"(?:[^/]+/)*cntr-run-[0-9a-f]{{32}}:([0-9a-f-]+(?:{_SEPARATOR}\d+){{3}})")
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


def leave(engine: TracingEngine, name: str, container: TracedContainer, directory: str) -> None:
    """Remove `container`, called `name`, at the end of a run, be it by an error.

    :raises EngineError: it is still there; its process is not.
    """
    error = sys.exc_info()[1]
    try:
        container.remove()
    except CntrError as refused:
        _kill_noted(os.path.join(directory, _NOTE))
        _remove_or_tell(engine, name, error or refused)


def remove_created(engine: TracingEngine, name: str) -> None:
    """Remove the container `name`, which may have been made, after the error that is being handled.

    :raises EngineError: it may be there.
    """
    error = sys.exc_info()[1]
    try:
        engine.remove_traced(name)
    except CntrError as refused:
        _remove_or_tell(engine, name, error or refused)


def _remove_or_tell(engine: TracingEngine, name: str, error: BaseException) -> None:
    if not insist(lambda: engine.remove_traced(name), 0):
        hint = f"the next run with --engine {engine.name} removes it"
        raise _left(error, f"the container {name} is left in {engine.name}", hint) from error


def leave_image(engine: TracingEngine, name: str) -> None:
    """Remove the image `name` at the end, be it by an error; :raises EngineError: it is still there."""
    error = sys.exc_info()[1]
    try:
        engine.remove_image(name)
    except CntrError as refused:
        hint = error.hint if isinstance(error, CntrError) else ""
        hint = f"{hint}; " * bool(hint) + f"the next run with --engine {engine.name} removes it"
        raise _left(error or refused, f"the image {name} is left in {engine.name}", hint) from error


def _left(first: BaseException, what: str, hint: str) -> EngineError:
    said = first.message if isinstance(first, CntrError) else "the run was ended"
    return EngineError(f"{said}; {what}", hint)


def maker() -> str:
    """Who we are, for as long as this machine runs: boot, PID namespace, PID and start time."""
    return f"{boot_id()} {os.stat('/proc/self/ns/pid').st_ino} {os.getpid()} {start_time(os.getpid())}"


def new_image_name() -> str:
    """A name for an image that a run takes into an engine. Its tag has the :func:`maker`: a label would change it."""
    return f"cntr-run-{uuid.uuid4().hex}:{maker().replace(' ', _SEPARATOR)}"


def remove_orphans(engine: TracingEngine) -> None:
    """Remove the containers and images that runs left in `engine` whose makers are dead. Those of others, and of other
    machines and PID namespaces, of which nobody here can tell, stay."""
    with suppress(CntrError):
        for container in engine.containers() if isinstance(engine, Engine) else ():
            if _is_orphan(container.labels.get(RUN, "")):
                _log.debug("remove %s, which nobody alive has made", container.name)
                engine.remove_traced(container.name)
    with suppress(CntrError):
        for name in engine.image_names():
            if (named := _IMAGE.fullmatch(name)) and _is_orphan(named[1].replace(_SEPARATOR, " ")):
                _log.debug("remove the image %s, which nobody alive has made", name)
                engine.remove_image(name)


def _is_orphan(made_by: str) -> bool:
    boot, namespace, pid, started = [*made_by.split(), "", "", "", ""][:4]
    if [boot, namespace] != maker().split()[:2] or not pid.isdecimal():
        return False
    try:
        return str(start_time(int(pid))) != started
    except OSError:
        return True


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
