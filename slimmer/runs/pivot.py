"""Putting a watching filesystem below a container whose entrypoint shim waits, in the container's own mount namespace.

A copy of its root mount is what the server reads and writes, a new FUSE mount becomes the root, and what was mounted on
the old root moves over. pivot_root(2) changes the root of the waiting processes, too: so the image's program starts
with everything that the engine gave it, and another root.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

from cntr_core.errors import SessionError
from cntr_core.filesystem import DirectoryTree, Filesystem, MountRequest, ServedMount
from cntr_core.kernel import mounts, namespaces, paths, procfs
from cntr_core.kernel.child import open_in_child
from cntr_core.kernel.mounts import MOUNT_ATTR_RDONLY, DetachedMount
from cntr_core.kernel.syscall import AT_FDCWD, owned

from ..trace.observer import TraceObserver

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WaitingRoot:
    """The root of a container that waits: its mount namespace, whether it is read-only, what is mounted on it; and
    `backing`, a copy of it without that."""

    namespace: int
    read_only: bool
    points: tuple[bytes, ...]
    backing: DetachedMount


@contextmanager
def waiting_root(pid: int, shim: str) -> Iterator[WaitingRoot]:
    """The root of process `pid`, from which the directory `shim` is removed, with what is mounted there.

    :raises SessionError: the kernel refuses.
    """
    with owned(os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)) as namespace:
        read_only, points = _mounts(pid, os.fsencode(shim))
        with DetachedMount(open_in_child(lambda: _copy_root(namespace))) as backing:
            _remove(backing, shim.lstrip("/"), read_only)
            yield WaitingRoot(namespace, read_only, points, backing)


@contextmanager
def observed_root(root: WaitingRoot, filesystem: Filesystem, observer: TraceObserver) -> Iterator[ServedMount]:
    """Have `filesystem` serve the container's root. Whoever was there before sees it from now on.

    Nobody else writes to the container's layer meanwhile, so that the kernel may keep what it was told.

    :raises CntrError: the mount cannot be made.
    """
    trees = [DirectoryTree(root.backing.fd)]
    wanted = MountRequest(trees, read_only=root.read_only, immutable=True, source="cntr-image", observer=observer)
    with filesystem.mount(wanted) as served:
        _log.debug("pivot to %s, and move %d mounts", filesystem.name, len(root.points))
        os.close(open_in_child(lambda: _pivot(root, served.fd)))
        yield served


def _mounts(pid: int, shim: bytes) -> tuple[bool, tuple[bytes, ...]]:
    """Whether the root of a process is read-only, and where something is mounted on that very mount; each place once,
    for only the topmost mount of several can be seen."""
    with owned(procfs.open_process(pid)) as directory:
        table = procfs.read_mountinfo(directory)
    root = [mount for mount in table if mount.point == b"/"][-1]
    points = dict.fromkeys(mount.point for mount in table if mount.parent == root.id and mount.point != shim)
    return b"ro" in root.options, tuple(points)


def _remove(backing: DetachedMount, shim: str, read_only: bool) -> None:
    """Remove the directory that the engine made to mount the shim on. That unmounts it in other namespaces, too
    (rmdir(2) since Linux 3.13); the program that runs from there goes on."""
    if read_only:
        backing.set_attributes(clear=MOUNT_ATTR_RDONLY)
    os.rmdir(shim, dir_fd=backing.fd)
    if read_only:
        backing.set_attributes(set=MOUNT_ATTR_RDONLY)


# In children, which have entered the container: nothing may be imported there.


def _copy_root(namespace: int) -> int:
    try:
        namespaces.setns(namespace, namespaces.CLONE_NEWNS)
        return DetachedMount.clone(AT_FDCWD, "/").fd
    except OSError as error:
        raise _refused("copy the container's root", error) from error


def _pivot(root: WaitingRoot, mount: int) -> int:
    """Make `mount` the root; gives a descriptor of it."""
    try:
        namespaces.setns(root.namespace, namespaces.CLONE_NEWNS)
        mounts.move_mount(mount, "", AT_FDCWD, "/")
        for point in root.points:
            _move(point, mount)
        os.fchdir(mount)
        mounts.pivot_root(".", ".")
        mounts.umount2(".", mounts.MNT_DETACH)
    except OSError as error:
        raise _refused("put a watching filesystem below the container", error) from error
    return os.dup(mount)


def _move(point: bytes, new_root: int) -> None:
    """Move what is mounted at `point` of the old root, with all that is mounted below it, to the same place of the new
    one, which is mounted over it: absolute paths still begin below."""
    with owned(paths.open_in_root(new_root, point, os.O_PATH | os.O_NOFOLLOW)) as place:
        mounts.move_mount(AT_FDCWD, point, place, "")


def _refused(what: str, error: OSError) -> SessionError:
    path = cast("str | bytes | None", error.filename)
    where = f": {os.fsdecode(path)}" if path else ""
    return SessionError(f"cannot {what} ({error.strerror}{where})", "run without --engine, and see cntr doctor")
