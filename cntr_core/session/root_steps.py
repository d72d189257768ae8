"""The steps that put files, devices and directories into the new root: the container's, or the session's own."""

from __future__ import annotations

import os
import stat

from ..dataclass import dataclass, field
from ..kernel import mounts, paths
from ..kernel.child import open_in_child
from ..kernel.mounts import DetachedMount
from ..kernel.syscall import owned
from .steps import MountContext, Step


@dataclass(frozen=True, slots=True)
class BindSpecial(Step):
    """``/proc``, ``/sys`` or ``/dev`` of the container; a new one where it has none of that kind."""

    name: str

    def describe(self) -> str:
        return f"bind the container's /{self.name}"

    def execute(self, context: MountContext) -> None:
        with self._tree(context) as tree:
            context.place(tree, self.name)
        if self.name == "dev" and not _has_null(context):
            _make_devices(context)

    def _tree(self, context: MountContext) -> DetachedMount:
        try:
            tree = context.clone(self.name, os.O_PATH | os.O_DIRECTORY)
        except OSError:
            return self._new()
        if self.name == "proc" and mounts.statfs_type(tree.fd) != mounts.PROC_SUPER_MAGIC:
            tree.close()  # pragma: no cover - a container that has something else there
            return self._new()  # pragma: no cover - as above
        return tree

    def _new(self) -> DetachedMount:
        if self.name == "proc":
            # A proc shows the PID namespace of whoever opens it: a child is in the container's, we are not.
            return DetachedMount(open_in_child(lambda: DetachedMount.new("proc").fd))
        return DetachedMount.new("tmpfs", {"mode": "755", "size": "64k"})


def _has_null(context: MountContext) -> bool:
    assert context.root is not None
    try:
        fd = paths.open_in_root(context.root, "dev/null", os.O_PATH)
    except OSError:
        return False
    with owned(fd):
        return stat.S_ISCHR(os.fstat(fd).st_mode)


_DEVICES = {
    "null": (1, 3),
    "zero": (1, 5),
    "full": (1, 7),
    "random": (1, 8),
    "urandom": (1, 9),
    "tty": (5, 0),
}


def _make_devices(context: MountContext) -> None:
    """A private ``/dev`` with what every program expects, for a target that has no /dev/null to share."""
    with DetachedMount.new("tmpfs", {"mode": "755", "size": "64k"}) as devices:
        for name, (major, minor) in _DEVICES.items():
            os.mknod(name, stat.S_IFCHR | 0o666, os.makedev(major, minor), dir_fd=devices.fd)
            os.chmod(name, 0o666, dir_fd=devices.fd)
        os.symlink("/proc/self/fd", "fd", dir_fd=devices.fd)
        context.place(devices, "dev")


@dataclass(frozen=True, slots=True)
class BindFile(Step):
    """One file of the container, found inside it by its own links and no further."""

    path: str

    def describe(self) -> str:
        return f"bind the container's /{self.path}"

    def execute(self, context: MountContext) -> None:
        with self._source(context) as source:
            context.place(source, self.path)

    def _source(self, context: MountContext) -> DetachedMount:
        """The file; an empty one if it has been removed or replaced since the plan was made."""
        try:
            source = context.clone(self.path)
        except OSError:  # pragma: no cover - a race: it went after the plan was made
            return _file(b"")
        if stat.S_ISREG(os.fstat(source.fd).st_mode):
            return source
        source.close()  # pragma: no cover - a race: it became something else
        return _file(b"")  # pragma: no cover - as above


def _file(content: bytes) -> DetachedMount:
    """A read-only file in memory that everybody may read."""
    with DetachedMount.new("tmpfs", {"mode": "755", "size": str(len(content) + (1 << 16))}) as tmpfs:
        fd = os.open("file", os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o444, dir_fd=tmpfs.fd)
        with open(fd, "wb") as file:
            os.fchmod(fd, 0o444)
            file.write(content)
        tmpfs.set_attributes(set=mounts.MOUNT_ATTR_RDONLY)
        return DetachedMount.clone(tmpfs.fd, "file")


@dataclass(frozen=True, slots=True)
class PlaceFile(Step):
    """A file that was made for the session. It is read-only, so that nobody believes to change the container's."""

    path: str
    content: bytes = field(repr=False)

    def describe(self) -> str:
        return f"place a harmless copy of the container's /{self.path}"

    def execute(self, context: MountContext) -> None:
        with _file(self.content) as file:
            context.place(file, self.path)


@dataclass(frozen=True, slots=True)
class MountPrivate(Step):
    """A directory of the session's own in memory."""

    path: str
    mode: int

    def describe(self) -> str:
        return f"mount a private tmpfs on /{self.path}"

    def execute(self, context: MountContext) -> None:
        with _private_directory(self.mode) as tmpfs:
            context.place(tmpfs, self.path)


def _private_directory(mode: int) -> DetachedMount:
    options = {"mode": f"{mode:o}", "size": "25%"}
    return DetachedMount.new("tmpfs", options, mounts.MOUNT_ATTR_NODEV | mounts.MOUNT_ATTR_NOSUID)


@dataclass(frozen=True, slots=True)
class BindDirectory(Step):
    """A directory of the container's own in place of a private one."""

    path: str
    mode: int

    def describe(self) -> str:
        return f"bind the container's /{self.path}"

    def execute(self, context: MountContext) -> None:
        try:
            source = context.clone(self.path, os.O_PATH | os.O_DIRECTORY)
        except OSError:  # pragma: no cover - a race: it went after the plan was made
            source = _private_directory(self.mode)
        with source:
            context.place(source, self.path)
