"""systemd-nspawn: what runs, by machined where it knows, else by the processes of nspawn themselves.

A machine that was started with ``--register=no``, or where there is no machined, is found by its nspawn process, whose
first child in a new PID namespace is the machine's. Names are unique on one host (systemd-nspawn(1), --machine).
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import ClassVar

from cntr_core import Container, ContainerState, Engine, EngineStatus
from cntr_core.errors import EngineAbsent, EngineError
from cntr_core.kernel import cgroups, procfs

from ..processes import called, child_in_new_namespace, first_child, name_of, process
from .machined import Machine, machines

_IMAGES = "/var/lib/machines"
_STUB_INIT = b"(sd-stubinit)"
"""What runs as PID 1 with --as-pid2: nspawn itself, whose variables are the host's. Its child is what was asked for."""
_PROPAGATED = re.compile(rb"/systemd/nspawn/propagate/([^/]+)$")
"""The root of a mount that every machine has, below /run/host/incoming (before v247: /run/systemd/nspawn/incoming)."""


class NspawnEngine(Engine):
    """Machines that run, and those directories and images of /var/lib/machines that do not."""

    name: ClassVar[str] = "nspawn"

    def status(self) -> EngineStatus:
        try:
            registered = machines()
        except EngineError as error:
            return EngineStatus(available=False, detail=error.message, hint=error.hint)
        if registered is not None:
            return EngineStatus(available=True, detail="machined answers", endpoint="org.freedesktop.machine1")
        if not shutil.which("systemd-nspawn"):
            return EngineStatus(available=False, detail=_ABSENT.message, hint=_ABSENT.hint)
        return EngineStatus(available=True, detail="without machined, by its processes", endpoint="/proc")

    def containers(self) -> Iterable[Container]:
        registered = machines()
        if registered is None and not shutil.which("systemd-nspawn"):
            raise _ABSENT
        running = {machine.leader: machine for machine in (*_unregistered(), *(registered or ()))}
        found = [_running(machine) for machine in running.values()]
        known = {container.name for container in found}
        return [*found, *(_stopped(name) for name in _images() if name not in known)]


_ABSENT = EngineAbsent("systemd-nspawn is not installed", "install systemd-container")


def _unregistered() -> Iterator[Machine]:
    """All machines that an nspawn process of this machine runs, whether they are registered or not."""
    for pid in called(b"systemd-nspawn"):
        with suppress(FileNotFoundError, ProcessLookupError):
            leader = child_in_new_namespace(pid)
            if leader is not None:
                yield _machine(leader)


def _machine(leader: int) -> Machine:
    with process(leader) as directory:
        mounts = procfs.read_mountinfo(directory)
    with process(os.getpid()) as directory:
        ours = procfs.read_mountinfo(directory)
    root = next((mount for mount in mounts if mount.point == b"/"), None)
    return Machine(name_by_mounts(mounts) or str(leader), leader, os.fsdecode(path_of(root, ours)) if root else "")


def path_of(root: procfs.Mount, ours: Iterable[procfs.Mount]) -> bytes:
    """Where the directory that a machine has as its `root` is to us, who have the mounts `ours`.

    Of an overlay that nspawn mounted itself (``--volatile=overlay``) it is the lowest layer.
    """
    shown = [mount for mount in ours if mount.device == root.device and _is_below(root.root, mount.root)]
    if shown:
        mount = max(shown, key=lambda each: len(each.root))
        return os.path.normpath(os.path.join(mount.point, os.path.relpath(root.root, mount.root)))
    lower = [option.removeprefix(b"lowerdir=") for option in root.super_options if option.startswith(b"lowerdir=")]
    return lower[0].rpartition(b":")[2] if lower else root.root


def _is_below(path: bytes, directory: bytes) -> bool:
    return path == directory or path.startswith(directory.rstrip(b"/") + b"/")


def name_by_mounts(mounts: Iterable[procfs.Mount]) -> str:
    """The name of the machine that has those mounts; empty where it has unmounted what tells.

    The command line would not do: it may leave the name to rules of nspawn's.
    """
    names = (os.fsdecode(match[1]) for mount in mounts if (match := _PROPAGATED.search(mount.root)))
    return next(names, "")


def _running(machine: Machine) -> Container:
    pid = _payload(machine.leader)
    paused = pid is not None and cgroups.frozen(pid)
    return Container(
        engine=NspawnEngine.name,
        id=machine.name,
        name=machine.name,
        state=ContainerState.EXITED if pid is None else ContainerState.PAUSED if paused else ContainerState.RUNNING,
        pid=pid,
        image=machine.root,
        labels=machine.labels,
    )


def _payload(leader: int) -> int | None:
    """The process to enter; None when it has ended."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return leader if name_of(leader) != _STUB_INIT else first_child(leader) or leader
    return None


def _images() -> Iterator[str]:
    """The names in the machines' directory; hidden ones are snapshots and what is being made (machinectl(1))."""
    try:
        entries = sorted(os.scandir(_IMAGES), key=lambda entry: entry.name)
    except OSError:  # there is none, or only root may look
        return
    for entry in entries:
        if not entry.name.startswith(".") and (entry.is_dir() or entry.name.endswith(".raw")):
            yield entry.name.removesuffix(".raw")


def _stopped(name: str) -> Container:
    return Container(NspawnEngine.name, name, name, ContainerState.EXITED, image=f"{_IMAGES}/{name}")
