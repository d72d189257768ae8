"""A container on the union of its slim image and the fat half: what the slim one lacks is there, and is noted."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager

from cntr_core.filesystem import AccessEvent, DirectoryTree, MountRequest, Observer
from cntr_core.kernel.mounts import AT_RECURSIVE, MNT_DETACH, MS_PRIVATE, DetachedMount, mount_setattr, umount2
from cntr_core.kernel.namespaces import CLONE_NEWNS, unshare
from cntr_core.kernel.paths import RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS, openat2
from cntr_core.kernel.procfs import ProcessStatus, open_process, read_status
from cntr_core.kernel.syscall import AT_FDCWD, owned
from cntr_core.plugins import load

_BACKEND = "direct"


class ContainerProcesses:
    """Tells the container's processes, also those that were executed in it, from others that see its files, such as the
    programs of a session.

    The first process, which is number 1 of its PID namespace, and all that descend from it are the container's, and so
    is who has the same mount namespace; a session has one of its own (pid_namespaces(7), mount_namespaces(7)).
    """

    def __init__(self) -> None:
        self._depth = len(_status(os.getpid()).namespace_pids)
        self._mounts: set[str] = set()

    def has(self, pid: int) -> bool:
        """Whether process `pid`, which is waiting for our answer, is one of them."""
        try:
            mounts = os.readlink(f"/proc/{pid}/ns/mnt")
            if mounts not in self._mounts and self._descends(pid):
                self._mounts.add(mounts)
        except OSError:  # it was killed meanwhile
            return False
        return mounts in self._mounts

    def _descends(self, pid: int) -> bool:
        number = 0
        while len(inside := (status := _status(pid)).namespace_pids) > self._depth:
            number, pid = inside[self._depth], status.parent
        return number == 1


def _status(pid: int) -> ProcessStatus:
    with owned(open_process(pid)) as process:
        return read_status(process)


class Misses(Observer):
    """Writes each path that the slim root lacks and the fat one has, once, when a process of the container first uses
    it: a line each, with newlines and backslashes in it escaped as in C."""

    def __init__(self, fat: int, log: int) -> None:
        self._fat = fat
        self._log = log
        self._seen: set[bytes] = set()
        self._processes = ContainerProcesses()

    def descriptors(self) -> Collection[int]:
        return (self._fat, self._log)

    def saw(self, event: AccessEvent) -> None:
        if event.errno or event.path in self._seen or not self._processes.has(event.pid):
            return
        self._seen.add(event.path)
        if _is_file(self._fat, event.path):
            line = event.path.replace(b"\\", b"\\\\").replace(b"\n", b"\\n")
            os.write(self._log, line + b"\n")


def _is_file(root: int, path: bytes) -> bool:
    """Whether the fat half has something there that is no directory: those are in both. Its tree is nobody's to change,
    and the path holds no link, so both halves mean the same by it."""
    try:
        fd = openat2(
            root, path.lstrip(b"/") or b".", os.O_PATH | os.O_NOFOLLOW, resolve=RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH
        )
    except OSError:
        return False
    with owned(fd):
        return not stat.S_ISDIR(os.fstat(fd).st_mode)


def leave_mount_namespace() -> None:
    """From now on no mount of this process is seen outside of it, and none outlives it."""
    unshare(CLONE_NEWNS)
    mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, propagation=MS_PRIVATE)


@contextmanager
def merged(root: str, fat: str, misses: str) -> Iterator[None]:
    """The directory `root`, over which the union of itself and the tree `fat` is mounted. Call
    :func:`leave_mount_namespace` before.

    What the container writes goes to `root`. `misses` is the file for the paths that came from `fat`.
    """
    backend = load().filesystem(_BACKEND)
    with ExitStack() as stack:
        flags = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
        slim, rest = (stack.enter_context(owned(os.open(path, flags))) for path in (root, fat))
        log = os.open(misses, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        observer = Misses(rest, stack.enter_context(owned(log)))
        trees = [DirectoryTree(slim), DirectoryTree(rest)]
        request = MountRequest(trees, read_only=False, source="cntr-whole", observer=observer)
        mount = stack.enter_context(backend.mount(request))
        DetachedMount(mount.fd).attach(AT_FDCWD, root)
        stack.callback(umount2, root, MNT_DETACH)  # nobody could remove what is below it
        yield
