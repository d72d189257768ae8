"""What is served: a branch answers for one tree of files."""

# ruff: noqa: ARG002 - the defaults of Branch refuse whatever they are asked

from __future__ import annotations

import enum
import errno
import os
import stat
from abc import ABC, abstractmethod
from collections.abc import Collection, Hashable, Iterable, Sequence
from typing import Generic, NamedTuple, Protocol, Self, TypeVar

NOW = -(1 << 63)
"""In :class:`Changes`, the time at which the change is made (UTIME_NOW of utimensat(2))."""


class Stat(Protocol):
    """What stat(2) tells of a file; an :class:`os.stat_result` is one. `st_ino` and `st_dev` are not looked
    at: :attr:`Node.ino` takes their place."""

    @property
    def st_mode(self) -> int: ...
    @property
    def st_nlink(self) -> int: ...
    @property
    def st_uid(self) -> int: ...
    @property
    def st_gid(self) -> int: ...
    @property
    def st_rdev(self) -> int: ...
    @property
    def st_size(self) -> int: ...
    @property
    def st_blocks(self) -> int: ...
    @property
    def st_blksize(self) -> int: ...
    @property
    def st_atime_ns(self) -> int: ...
    @property
    def st_mtime_ns(self) -> int: ...
    @property
    def st_ctime_ns(self) -> int: ...


class Status(NamedTuple):
    """A :class:`Stat` of one's own making."""

    st_mode: int
    st_nlink: int
    st_uid: int
    st_gid: int
    st_rdev: int
    st_size: int
    st_blocks: int
    st_blksize: int
    st_atime_ns: int
    st_mtime_ns: int
    st_ctime_ns: int


class Node:
    """One file of a branch, as the branch knows it. Branches derive their own.

    Looking a file up twice gives two nodes with equal keys; the filesystem keeps the first, and tells it by
    :meth:`Branch.adopt` of the others. `key` names the file within its branch. `ino` is the inode number that
    users see: the same whenever the file is looked up again, and unique within the branch. `parent` and
    `name` say where the file was seen last; the root has no parent.
    """

    __slots__ = ("ino", "key", "name", "parent")

    def __init__(self, key: Hashable, ino: int, parent: Self | None, name: bytes) -> None:
        self.key = key
        self.ino = ino
        self.parent = parent
        self.name = name


N = TypeVar("N", bound=Node)


class DirEntry(NamedTuple):
    """One name in a directory, without ``.`` and ``..``. `kind` is the S_IFMT part of a mode, 0 when
    unknown."""

    name: bytes
    ino: int
    kind: int


class Changes(NamedTuple):
    """What setattr shall change; None leaves a thing as it is. Times are nanoseconds since the epoch, or
    :data:`NOW`.
    """

    mode: int | None = None
    uid: int | None = None
    gid: int | None = None
    size: int | None = None
    atime_ns: int | None = None
    mtime_ns: int | None = None


class OpenFile(ABC):
    """The contents of a file, open. Reading needs `read`; a file that may be written has a descriptor."""

    @property
    def descriptor(self) -> int | None:
        """A descriptor whose content is this file's and no more, for pread(2), pwrite(2), fallocate(2) …; or
        None."""
        return None

    @abstractmethod
    def read(self, size: int, offset: int) -> bytes:
        """At most `size` bytes from `offset`; fewer only at the end of the file."""

    @abstractmethod
    def close(self) -> None:
        """Give up what is held."""


def _read_only(*names: object) -> OSError:
    return OSError(errno.EROFS, os.strerror(errno.EROFS), *names)


class Watched(enum.IntEnum):
    """Which changes by others the mount is told of."""

    NOT = 0
    BY_NAME = 1
    """Those made by names in the directories that the branch has met: not those of a file by another name of it."""
    WHOLLY = 2


class Watcher(Protocol):
    """Tells the mount of changes that others make. `name` is in the directory with this descriptor, or is "."."""

    def add(self, directory: int, name: bytes) -> Watched:
        """Watch the whole filesystem of `name`, or say that its directories are to be added one by one."""

    def add_directory(self, directory: int, name: bytes) -> tuple[Hashable, os.stat_result] | None:
        """Watch one directory: what removes it again, and its state after that; None where it is not possible."""

    def remove_directory(self, watched: Hashable) -> None:
        """Undo it."""


class Branch(ABC, Generic[N]):
    """One tree of files.

    Names and contents are bytes. Failures are OSError, with the errno that the user gets. Whoever calls has
    checked permissions; a branch acts with the privileges and the file-creation ids (fsuid, fsgid, umask) of
    its thread. All calls come from one thread of the serving process, which is forked after the branch was
    made.

    A read-only branch writes the abstract methods. A writable one overrides the changes too; they raise EROFS
    here.
    """

    writable: bool = False

    @property
    @abstractmethod
    def root(self) -> N:
        """The top directory."""

    @abstractmethod
    def descriptors(self) -> Collection[int]:
        """The descriptors that the branch lives on: all others are closed in the serving process."""

    @abstractmethod
    def lookup(self, parent: N, name: bytes) -> tuple[N, Stat]:
        """The file called `name`, which is never ``.`` or ``..``.

        :raises OSError: ENOENT, or what else hindered.
        """

    @abstractmethod
    def stat(self, node: N) -> Stat:
        """stat(2)."""

    @abstractmethod
    def readlink(self, node: N) -> bytes:
        """readlink(2)."""

    @abstractmethod
    def list(self, node: N) -> Sequence[DirEntry]:
        """All names of a directory, as they are at this moment."""

    @abstractmethod
    def open(self, node: N, flags: int) -> OpenFile:
        """Open the contents; `flags` as in open(2), without O_CREAT, O_EXCL and O_TRUNC."""

    def getxattr(self, node: N, name: bytes) -> bytes:
        """getxattr(2).

        :raises OSError: ENODATA, or ENOTSUP where there are none at all.
        """
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP), name)

    def listxattr(self, node: N) -> Sequence[bytes]:
        """listxattr(2)."""
        return ()

    def statvfs(self, node: N) -> os.statvfs_result:
        """statvfs(3) of the filesystem that `node` lies on."""
        return os.statvfs_result((4096, 4096, 0, 0, 0, 0, 0, 0, 0, 255))

    def birth_time(self, node: N) -> int | None:
        """When the file was made, in nanoseconds since the epoch; None when nobody knows."""
        return None

    def ioctl(self, node: N, command: int, argument: bytes) -> bytes:
        """Get or set the file's flags: FS_IOC_GETFLAGS, SETFLAGS, FSGETXATTR and FSSETXATTR of ioctl(2).

        :raises OSError: ENOTTY where there are none.
        """
        raise OSError(errno.ENOTTY, os.strerror(errno.ENOTTY))

    def syncdir(self, node: N, data_only: bool) -> None:
        """fsync(2) or fdatasync(2) of a directory."""

    def backing(self, node: N, flags: int) -> int | None:
        """A descriptor (O_PATH will do) of a regular file that *is* this node's content, for the kernel to
        read and write directly; it is about to be opened with `flags`. Owned by the branch, valid until the
        next call. None when there is none."""
        return None

    # Coherence: changes that are made behind the mount, where somebody can tell of them.

    def watch(self, watcher: Watcher) -> None:
        """Have what the branch meets from now on watched, before the first request."""

    def watched(self, node: N) -> Watched:
        """Which changes of the file's attributes and content, and of the names in it, will be told of. What nobody can
        tell of, the kernel keeps for a second."""
        return Watched.NOT

    def has_aliases(self) -> bool:
        """Whether one directory may be several nodes, so that the kernel, which makes a change by one of them, knows
        nothing of it by the others. Called by another thread."""
        return False

    def keys(self, device: int, number: int, is_directory: bool) -> Iterable[Hashable]:
        """The keys that nodes for this file below (st_dev and st_ino of stat(2)) may have. Called by another
        thread."""
        return ()

    def adopt(self, node: N, again: N) -> None:
        """`again`, found just now, is `node`, found earlier: note what is newer, above all its name."""
        node.parent, node.name = again.parent, again.name

    def forget(self, node: N) -> None:
        """Nobody refers to `node` any longer: give up what is held for it."""

    # Changes. `victim`, `moved` and `replaced` are the nodes the filesystem keeps for the files concerned, or
    # None when it keeps none: what is still open must stay reachable after its name is gone.

    def create(self, parent: N, name: bytes, flags: int, mode: int) -> tuple[N, Stat, OpenFile]:
        """Make a regular file, which must not exist, and open it."""
        raise _read_only(name)

    def tmpfile(self, parent: N, flags: int, mode: int) -> tuple[N, Stat, OpenFile]:
        """Make a file without a name (O_TMPFILE of open(2)), and open it."""
        raise _read_only()

    def mknod(self, parent: N, name: bytes, mode: int, rdev: int) -> tuple[N, Stat]:
        """mknod(2): regular file, FIFO, socket or device."""
        raise _read_only(name)

    def mkdir(self, parent: N, name: bytes, mode: int) -> tuple[N, Stat]:
        """mkdir(2)."""
        raise _read_only(name)

    def symlink(self, parent: N, name: bytes, target: bytes) -> tuple[N, Stat]:
        """symlink(2)."""
        raise _read_only(name)

    def link(self, node: N, parent: N, name: bytes) -> tuple[N, Stat]:
        """link(2): give `node` one more name."""
        raise _read_only(name)

    def unlink(self, parent: N, name: bytes, victim: N | None) -> None:
        """unlink(2)."""
        raise _read_only(name)

    def rmdir(self, parent: N, name: bytes, victim: N | None) -> None:
        """rmdir(2)."""
        raise _read_only(name)

    def rename(
        self, old: tuple[N, bytes], new: tuple[N, bytes], flags: int, moved: N | None, replaced: N | None
    ) -> None:
        """renameat2(2) from `old` to `new`, each a directory and a name."""
        raise _read_only(old[1], None, new[1])

    def setattr(self, node: N, changes: Changes) -> Stat:
        """chmod, chown, truncate and utimensat in one; the state afterwards.

        Owner before mode, for it clears set-ID bits; and so does a call that changes nothing (chown(2) of -1, -1).
        """
        raise _read_only()

    def setxattr(self, node: N, name: bytes, value: bytes, flags: int) -> None:
        """setxattr(2)."""
        raise _read_only(name)

    def removexattr(self, node: N, name: bytes) -> None:
        """removexattr(2)."""
        raise _read_only(name)


_MOST_LINKS = 40  # links that path_resolution(7) follows


def find(branch: Branch[N], path: bytes, *, follow: bool = True) -> N:
    """What `path` leads to, as for a process whose root this branch is; `follow` is for a link at its end.

    :raises OSError: ENOENT, ENOTDIR, ELOOP, or what else hindered.
    """
    here, links = branch.root, 0
    pending = path.split(b"/")[::-1]
    while pending:
        part = pending.pop()
        if part in (b"", b"."):
            continue
        if part == b"..":
            here = here.parent or here
            continue
        node, status = branch.lookup(here, part)
        if not stat.S_ISLNK(status.st_mode) or not (follow or any(pending)):
            here = node
            continue
        links += 1
        if links > _MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
        target = branch.readlink(node)
        pending += target.split(b"/")[::-1]
        here = branch.root if target.startswith(b"/") else here
    return here
