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
from abc import ABC, abstractmethod
from contextlib import suppress

from ..dataclass import dataclass, field
from ..errors import SessionError
from ..kernel import keyrings, mounts, namespaces, paths
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
