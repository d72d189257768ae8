"""Ending a container, and removing all that there is of it."""

from __future__ import annotations

import contextlib
import logging
import os
import select
import signal

from cntr_core.errors import AmbiguousContainer, ContainerNotFound, EngineError
from cntr_core.images import remove_tree
from cntr_core.kernel.cgroups import frozen
from cntr_core.kernel.child import open_in_child
from cntr_core.kernel.process import boot_id, pidfd_open, pidfd_send_signal, set_dumpable, start_time
from cntr_core.kernel.syscall import owned
from cntr_core.kernel.user_namespaces import enter_with_subordinates
from cntr_core.reasons import reason
from cntr_core.runtime import Runtime, known_names, need_runtime
from cntr_core.timing import timed

from .state import ContainerDirectory, ContainerRecord, directories, runtime_of, runtime_root, tidy

_log = logging.getLogger(__name__)

_DEATH = 10.0  # seconds a killed process may take to die, and its watcher to note it


def find(name: str) -> ContainerDirectory:
    """The container with this name, id, or unambiguous beginning of an id.

    :raises ContainerNotFound, AmbiguousContainer: there is none, or several.
    """
    known, name = directories(), name.removeprefix("oci://").removeprefix("/")
    found = [d for d in known if d.name == name] or [d for d in known if _has_id(d, name)]
    if not found:
        raise ContainerNotFound(f"engine oci has no container named {name!r}", "see cntr list")
    if len(found) > 1:
        raise AmbiguousContainer(f"{name!r} begins several ids", "choose from " + ", ".join(d.name for d in found))
    return found[0]


def stop(directory: ContainerDirectory, timeout: float) -> None:
    """End the container by its stop signal, after `timeout` seconds by SIGKILL, and remove it.

    Works on what a crash of ours left, in whatever state.

    :raises EngineError: it cannot be removed, or somebody is just creating it.
    """
    record = _remembered(directory)
    if record and record.runs:
        _end(record, timeout)
    # Whoever watches the container holds its lock, and may itself remove it now.
    with contextlib.suppress(ContainerNotFound), directory.lock(_DEATH) as held:
        if not held:
            raise EngineError(f"container {directory.name} is being created by another process", "try again later")
        discard(directory, record)


def _remembered(directory: ContainerDirectory) -> ContainerRecord | None:
    """What is remembered of the container; where that is damaged, what its runtime knows."""
    try:
        return directory.read()
    except EngineError as damaged:
        _log.debug("%s; what its runtime knows is used", damaged.message)
        return _known_to_runtime(directory)


def _known_to_runtime(directory: ContainerDirectory) -> ContainerRecord | None:
    program = need_runtime()
    for name in known_names(runtime_root()):
        with contextlib.suppress(EngineError, OSError):  # it knows of others that are damaged
            bundle, pid = Runtime(program, runtime_root(), name).state()
            if bundle == directory.path:
                started = start_time(pid) if pid else 0
                return ContainerRecord(
                    name, directory.name, "", program, signal.SIGTERM, boot_id(), pid=pid, start_time=started
                )
    return None


def discard(directory: ContainerDirectory, record: ContainerRecord | None) -> None:
    """Remove the container: its processes, cgroups, files. `record` is None where it never came to the runtime.

    :raises EngineError: something of it cannot be removed.
    """
    if record and not record.is_of_other_boot:
        runtime_of(record).delete()
    try:
        with timed(_log, "remove %s", directory.path):
            if record and os.path.isdir(known := os.path.join(runtime_root(), record.id)):
                _remove_tree(known)  # of another boot: its PID there is nobody's, or somebody else's
            _remove_tree(directory.path)
    except OSError as error:
        raise EngineError(
            f"{directory.path} cannot be removed: {reason(error)}", "unmount everything below it"
        ) from error
    tidy()


def _remove_tree(path: str) -> None:
    """Remove the files, which belong to subordinate ids where an ordinary user has run the container."""
    try:
        remove_tree(path)
    except PermissionError:
        if os.geteuid() == 0:
            raise
        os.close(open_in_child(lambda: _remove_as_root(path)))


def _remove_as_root(path: str) -> int:
    """In a child. Gives any descriptor, as a sign that all is gone."""
    set_dumpable(True)  # else newuidmap(1) may not look at it
    enter_with_subordinates()
    remove_tree(path)
    return os.open("/", os.O_PATH | os.O_CLOEXEC)


def _end(record: ContainerRecord, timeout: float) -> None:
    try:
        pidfd = pidfd_open(record.pid)
    except ProcessLookupError:
        return
    with owned(pidfd):
        if not record.runs:
            return  # it ended meanwhile, and the number may be another's now
        if frozen(record.pid):
            runtime_of(record).resume()  # a frozen process takes no signal, on cgroup v1 not even SIGKILL
        if not (_signal(pidfd, record.stop_signal, timeout) or _signal(pidfd, signal.SIGKILL, _DEATH)):
            raise EngineError(f"container {record.name} does not end, even after SIGKILL")


def _signal(pidfd: int, number: int, patience: float) -> bool:
    """Whether the process ended within `patience` seconds after the signal."""
    with contextlib.suppress(ProcessLookupError):
        pidfd_send_signal(pidfd, number)
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(patience * 1000))


def _has_id(directory: ContainerDirectory, prefix: str) -> bool:
    with contextlib.suppress(EngineError):
        record = directory.read()
        return bool(prefix) and record is not None and record.id.startswith(prefix)
    return False
