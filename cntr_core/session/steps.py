"""The steps by which a session's processes move into the container and build the root: values that can tell what they
will do, and do it.

They run in this order in one process, which is single-threaded, and after :class:`EnterMounts` imports and opens
nothing but what is named here: the files are the container's then.
"""

# ruff: noqa: ARG002 - not every step needs the context

from __future__ import annotations

import errno
import os
import socket
import stat
from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import dataclass, field

from ..errors import SessionError
from ..kernel import keyrings, mounts, namespaces, paths
from ..kernel.child import open_in_child
from ..kernel.mounts import DetachedMount
from ..kernel.namespaces import NAMESPACES
from ..kernel.syscall import AT_FDCWD, AT_RECURSIVE, owned
from . import root_layout
from .target import Target


@dataclass(slots=True)
class MountContext:
    """What the steps work on. `root` is the detached mount that becomes ``/``; None for the container's own root.
    `view` is one of the container's tree in which absolute links stay inside, where that is wanted."""

    target: Target
    root: int | None
    view: int | None = None
    container: DetachedMount | None = None
    listeners: list[socket.socket] = field(default_factory=list)

    def place(self, mount: DetachedMount, path: str) -> None:
        """Attach `mount` at `path` of the new root, without following a link out of it."""
        assert self.root is not None
        with owned(paths.open_in_root(self.root, path, os.O_PATH | os.O_NOFOLLOW)) as target:
            mount.attach(target)

    def clone(self, path: str, flags: int = os.O_PATH) -> DetachedMount:
        """A copy of what `path` leads to in the container."""
        assert self.container is not None
        with owned(paths.open_in_root(self.container.fd, path, flags)) as source:
            return DetachedMount.clone(source, recursive=True)


class Step(ABC):
    """One thing to do: `describe` for ``--dry-run``, `execute` for real."""

    @abstractmethod
    def describe(self) -> str:
        """What will be done, in one line."""

    @abstractmethod
    def execute(self, context: MountContext) -> None:
        """Do it.

        :raises OSError: the kernel refused.
        """


@dataclass(frozen=True, slots=True)
class SetOomScore(Step):
    """How likely a victim of the kernel's out-of-memory killer the session is (proc(5), oom_score_adj)."""

    value: int

    def describe(self) -> str:
        return f"set oom_score_adj to {self.value}"

    def execute(self, context: MountContext) -> None:
        try:
            fd = os.open("/proc/self/oom_score_adj", os.O_WRONLY | os.O_CLOEXEC)
            with open(fd, "wb", buffering=0) as file:
                file.write(b"%d" % self.value)
        except PermissionError:
            return  # lowering it wants CAP_SYS_RESOURCE; without, the session is the likelier victim


@dataclass(frozen=True, slots=True)
class LeaveKeyring(Step):
    """Leave the caller's session keyring, whose keys whoever has it possesses (keyrings(7)).

    Where a filter of system calls, or a kernel without keys, refuses, the session cannot use the caller's keys either.
    """

    def describe(self) -> str:
        return "join a new session keyring"

    def execute(self, context: MountContext) -> None:
        try:
            keyrings.join_session_keyring()
        except OSError as error:
            if error.errno not in (errno.ENOSYS, errno.EPERM):
                raise  # pragma: no cover - an ordinary user with 200 keys


@dataclass(frozen=True, slots=True)
class JoinNamespaces(Step):
    """Join the target's namespaces but for user and mnt; pid acts on the children (setns(2))."""

    kinds: tuple[str, ...]

    def describe(self) -> str:
        return f"join the namespaces {', '.join(self.kinds)}" if self.kinds else "stay in the caller's namespaces"

    def execute(self, context: MountContext) -> None:
        for kind in self.kinds:
            namespaces.setns(context.target.namespaces[kind], NAMESPACES[kind].flag)


@dataclass(frozen=True, slots=True)
class EnterMounts(Step):
    """Join the mount namespace, and go to the target's root, which differs from the namespace's if it is chrooted."""

    def describe(self) -> str:
        return "join the namespace mnt, at the target's own root"

    def execute(self, context: MountContext) -> None:
        namespaces.setns(context.target.namespaces["mnt"], namespaces.CLONE_NEWNS)
        os.fchdir(context.target.root)


@dataclass(frozen=True, slots=True)
class ChangeRoot(Step):
    """Make the target's root this process's own, for a command of the container's."""

    def describe(self) -> str:
        return "chroot to the target's root"

    def execute(self, context: MountContext) -> None:
        os.chroot(".")


@dataclass(frozen=True, slots=True)
class UnshareMounts(Step):
    """Copy the mount namespace, and take a detached copy of the container's tree.

    The copies are slaves (kernel: sharedsubtree.rst): what the container or the host mounts and unmounts there happens
    in the session, too, so that it pins no volume, and nothing ever the other way. Mounts that the container does not
    share with anybody cannot be followed.
    """

    def describe(self) -> str:
        return "unshare a nested mount namespace, which follows the container's mounts"

    def execute(self, context: MountContext) -> None:
        namespaces.unshare(namespaces.CLONE_NEWNS)
        mounts.mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, propagation=mounts.MS_SLAVE)
        context.container = DetachedMount.clone(AT_FDCWD, ".", recursive=True)


@dataclass(frozen=True, slots=True)
class AttachRoot(Step):
    """Attach the tools' tree over the namespace's root, the one place that exists in every container."""

    description: str

    def describe(self) -> str:
        return f"mount {self.description} as the new root"

    def execute(self, context: MountContext) -> None:
        assert context.root is not None
        mounts.move_mount(context.root, "", AT_FDCWD, "/")


@dataclass(frozen=True, slots=True)
class PlaceContainer(Step):
    """The container's whole tree, with its volumes, below the new root."""

    def describe(self) -> str:
        return f"bind the container's tree to /{root_layout.CONTAINER}"

    def execute(self, context: MountContext) -> None:
        assert context.container is not None
        context.place(context.container, root_layout.CONTAINER)


@dataclass(frozen=True, slots=True)
class PlaceView(Step):
    """The container's tree as a filesystem server of ours shows it; but the kernel's own files, and ``/run`` with its
    sockets, as they are."""

    def describe(self) -> str:
        return f"mount the container's tree on /{root_layout.CONTAINER}, absolute links leading inside"

    def execute(self, context: MountContext) -> None:
        assert context.view is not None
        context.place(DetachedMount(context.view), root_layout.CONTAINER)
        for name in (*root_layout.SPECIAL, root_layout.RUN):
            with suppress(OSError), context.clone(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW) as tree:
                context.place(tree, f"{root_layout.CONTAINER}/{name}")


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


@dataclass(frozen=True, slots=True)
class PivotRoot(Step):
    """Make the new root the namespace's, and let go of the old one, which stays in the container's own namespace."""

    def describe(self) -> str:
        return "pivot_root, and detach the old root"

    def execute(self, context: MountContext) -> None:
        assert context.root is not None
        os.fchdir(context.root)
        mounts.pivot_root(".", ".")
        mounts.umount2(".", mounts.MNT_DETACH)
        os.chdir("/")


@dataclass(frozen=True, slots=True)
class Listen(Step):
    """A unix socket in the session, whose connections are carried to one of the tools' side (unix(7))."""

    path: str
    owner: tuple[int, int]

    def describe(self) -> str:
        return f"listen on {self.path}"

    def execute(self, context: MountContext) -> None:
        os.makedirs(os.path.dirname(self.path), mode=0o755, exist_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            listener.bind(self.path)
        except OSError as error:
            raise SessionError(
                f"no socket can be made at {self.path}: {error.strerror}",
                "forward it to a path below /run or /tmp",
            ) from None
        os.chown(self.path, *self.owner, follow_symlinks=False)
        listener.listen(128)
        context.listeners.append(listener)
