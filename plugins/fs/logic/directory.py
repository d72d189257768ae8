"""A directory served as it is: every operation becomes one on the directory, by descriptor."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Hashable, Iterable, Sequence
from contextlib import ExitStack

from cntr_core.filesystem import Branch, Changes, DirEntry, OpenFile, Stat, Watched, Watcher
from cntr_core.kernel.syscall import owned

from . import syscalls
from .descriptors import Descriptors, FileNode, stale
from .marks import Marks
from .numbers import InodeNumbers
from .syscalls import RENAME_EXCHANGE, descriptor_path, renameat2

# The kernel has applied these already, or does so itself (O_DIRECT wants aligned buffers, which messages are
# not).
_STRIPPED = os.O_CREAT | os.O_EXCL | os.O_TRUNC | os.O_TMPFILE | os.O_NOFOLLOW | os.O_NOCTTY | os.O_DIRECT
_NO_CHANGES = Changes()
_LISTED = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


_Place = tuple[FileNode, bytes]
"""A directory, and a name in it."""


class DescriptorFile(OpenFile):
    """A file open in this process."""

    __slots__ = ("_fd",)

    def __init__(self, fd: int) -> None:
        self._fd = fd

    @property
    def descriptor(self) -> int:
        return self._fd

    def read(self, size: int, offset: int) -> bytes:
        return os.pread(self._fd, size, offset)

    def close(self) -> None:
        os.close(self._fd)


class DirectoryBranch(Branch[FileNode]):
    """The tree below a directory, with the mounts in it.

    Files are keyed by device and inode, directories by mount as well: one that is visible through two bind
    mounts has different mounts below. `fd` is owned by the branch.
    """

    def __init__(self, fd: int, *, writable: bool, limit: int | None = None) -> None:
        self.writable = writable
        self._numbers = InodeNumbers()
        self._files = Descriptors(limit)
        self._reach = self._files.reach
        status = os.fstat(fd)
        ino = self._numbers.number(status.st_dev, status.st_ino)
        key = (status.st_dev, status.st_ino, syscalls.statx(fd).mount_id)
        self._mounts = {status.st_dev: {key[2]}}
        self._aliased = False
        self._marks = Marks(status.st_dev)
        self._root = FileNode(key, ino, None, b"")
        self._files.own(self._root, fd)

    @property
    def root(self) -> FileNode:
        return self._root

    def descriptors(self) -> Collection[int]:
        return (self._root.fd,)

    def lookup(self, parent: FileNode, name: bytes) -> tuple[FileNode, os.stat_result]:
        directory = self._reach(parent)
        status = os.stat(name, dir_fd=directory, follow_symlinks=False)
        device, number = status.st_dev, status.st_ino
        self._marks.meet(device, directory, name)
        ino = self._numbers.number(device, number)
        if not stat.S_ISDIR(status.st_mode):
            return FileNode((device, number), ino, parent, name), status
        mount = syscalls.statx(directory, name).mount_id
        self._note_mount(device, mount)
        node = FileNode((device, number, mount), ino, parent, name)
        return node, self._marks.add(node, directory, name) or status

    def stat(self, node: FileNode) -> os.stat_result:
        if node.fd >= 0 or node.parent is None:
            return os.fstat(self._reach(node))
        # By name: a file that is only looked at needs no descriptor.
        status = os.stat(node.name, dir_fd=self._reach(node.parent), follow_symlinks=False)
        if (status.st_dev, status.st_ino) != node.key[:2]:
            raise stale(node)
        return status

    def readlink(self, node: FileNode) -> bytes:
        return os.readlink(b"", dir_fd=self._reach(node))  # the link itself: readlinkat(2), Linux 2.6.39

    def list(self, node: FileNode) -> Sequence[DirEntry]:
        with owned(self._files.open(b".", _LISTED, directory=node)) as fd:
            number, device = self._numbers.number, node.key[0]
            return [DirEntry(name, number(device, ino), kind) for name, ino, kind in syscalls.getdents(fd)]

    def open(self, node: FileNode, flags: int) -> DescriptorFile:
        return DescriptorFile(self._files.reopen(node, flags & ~_STRIPPED | os.O_CLOEXEC))

    def getxattr(self, node: FileNode, name: bytes) -> bytes:
        if node.fd >= 0 or node.parent is None:
            return os.getxattr(descriptor_path(self._reach(node)), name)
        # By name, like stat(): most files are asked for capabilities and ACLs they do not have.
        path = b"%s/%s" % (descriptor_path(self._reach(node.parent)), node.name)
        value = os.getxattr(path, name, follow_symlinks=False)
        self.stat(node)
        return value

    def listxattr(self, node: FileNode) -> Sequence[bytes]:
        return [os.fsencode(name) for name in os.listxattr(descriptor_path(self._reach(node)))]

    def statvfs(self, node: FileNode) -> os.statvfs_result:
        return os.fstatvfs(self._reach(node))

    def birth_time(self, node: FileNode) -> int | None:
        if node.fd >= 0 or node.parent is None:
            return syscalls.statx(self._reach(node)).birth_time
        return syscalls.statx(self._reach(node.parent), node.name).birth_time

    def backing(self, node: FileNode, flags: int) -> int | None:
        if flags & os.O_ACCMODE != os.O_RDONLY:
            # Whatever hinders the kernel (immutable, read-only, a program that runs …), it says EIO.
            os.close(self._files.reopen(node, flags & ~_STRIPPED | os.O_CLOEXEC))
        return self._reach(node)

    def ioctl(self, node: FileNode, command: int, argument: bytes) -> bytes:
        with owned(self._files.reopen(node, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)) as fd:
            return syscalls.flags_ioctl(fd, command, argument)

    def syncdir(self, node: FileNode, data_only: bool) -> None:
        with owned(self._files.open(b".", _LISTED, directory=node)) as fd:
            syscalls.sync_file(fd, data_only)

    def watch(self, watcher: Watcher) -> None:
        self._marks.start(watcher, self._root)

    def watched(self, node: FileNode) -> Watched:
        return self._marks.of(node)

    def _note_mount(self, device: int, mount: int) -> None:
        mounts = self._mounts.setdefault(device, set())
        mounts.add(mount)
        self._aliased |= len(mounts) > 1

    def has_aliases(self) -> bool:
        return self._aliased

    def keys(self, device: int, number: int, is_directory: bool) -> Iterable[Hashable]:
        if not is_directory:
            return [(device, number)]
        return [(device, number, mount) for mount in tuple(self._mounts.get(device, ()))]

    def adopt(self, node: FileNode, again: FileNode) -> None:
        if again.parent is not None:
            self._named(node, again.parent, again.name)
        self._marks.adopt(node, again)
        self._files.drop(again)

    def forget(self, node: FileNode) -> None:
        self._marks.forget(node)
        self._files.drop(node)

    def create(self, parent: FileNode, name: bytes, flags: int, mode: int) -> tuple[FileNode, Stat, DescriptorFile]:
        wanted = flags & ~_STRIPPED | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        return self._opened(self._files.open(name, wanted, mode, directory=parent), parent, name)

    def tmpfile(self, parent: FileNode, flags: int, mode: int) -> tuple[FileNode, Stat, DescriptorFile]:
        self._files.check_room()
        wanted = flags & ~_STRIPPED | flags & os.O_EXCL | os.O_TMPFILE | os.O_CLOEXEC
        fd = self._files.open(b".", wanted, mode, directory=parent)
        node, status, file = self._opened(fd, parent, b"")
        self._files.keep(node, os.open(descriptor_path(fd), os.O_PATH | os.O_CLOEXEC))
        self._files.lose_name(node)
        return node, status, file

    def _opened(self, fd: int, parent: FileNode, name: bytes) -> tuple[FileNode, Stat, DescriptorFile]:
        status = os.fstat(fd)
        ino = self._numbers.number(status.st_dev, status.st_ino)
        return FileNode((status.st_dev, status.st_ino), ino, parent, name), status, DescriptorFile(fd)

    def mknod(self, parent: FileNode, name: bytes, mode: int, rdev: int) -> tuple[FileNode, Stat]:
        os.mknod(name, mode, rdev, dir_fd=self._reach(parent))
        return self.lookup(parent, name)

    def mkdir(self, parent: FileNode, name: bytes, mode: int) -> tuple[FileNode, Stat]:
        os.mkdir(name, mode, dir_fd=self._reach(parent))
        return self.lookup(parent, name)

    def symlink(self, parent: FileNode, name: bytes, target: bytes) -> tuple[FileNode, Stat]:
        os.symlink(target, name, dir_fd=self._reach(parent))
        return self.lookup(parent, name)

    def link(self, node: FileNode, parent: FileNode, name: bytes) -> tuple[FileNode, Stat]:
        with self._files.holding(node) as fd:
            directory = self._reach(parent)
            os.link(descriptor_path(fd), name, dst_dir_fd=directory, follow_symlinks=True)
        return self.lookup(parent, name)

    def unlink(self, parent: FileNode, name: bytes, victim: FileNode | None) -> None:
        with ExitStack() as stack:
            self._hold(stack, victim, parent, name)
            os.unlink(name, dir_fd=self._reach(parent))
            self._unnamed(victim, parent, name)

    def rmdir(self, parent: FileNode, name: bytes, victim: FileNode | None) -> None:
        with ExitStack() as stack:
            self._hold(stack, victim, parent, name)
            os.rmdir(name, dir_fd=self._reach(parent))
            self._unnamed(victim, parent, name)

    def rename(self, old: _Place, new: _Place, flags: int, moved: FileNode | None, replaced: FileNode | None) -> None:
        with ExitStack() as stack:
            self._hold(stack, replaced, *new)
            source = stack.enter_context(self._files.holding(old[0]))
            renameat2(source, old[1], self._reach(new[0]), new[1], flags)
            if moved is not None and replaced is not None and moved.key == replaced.key:
                return  # two names of one file: rename(2) does nothing
            if flags & RENAME_EXCHANGE:
                self._named(replaced, *old)
            else:
                self._unnamed(replaced, *new)
            self._named(moved, *new)

    def _hold(self, stack: ExitStack, victim: FileNode | None, parent: FileNode, name: bytes) -> None:
        """Get hold of a file before its name goes, if that is the one by which we reach it."""
        if victim is not None and _is_at(victim, parent, name):
            self._files.check_room()
            stack.enter_context(self._files.holding(victim))

    def _named(self, node: FileNode | None, parent: FileNode, name: bytes) -> None:
        """`node` is `name` in `parent` from now on."""
        if node is not None:
            node.parent, node.name = parent, name
            self._files.find_name(node)

    def _unnamed(self, victim: FileNode | None, parent: FileNode, name: bytes) -> None:
        """`name` is gone, which may be the name by which we reach `victim`."""
        if victim is not None and _is_at(victim, parent, name):
            self._files.lose_name(victim)

    def setattr(self, node: FileNode, changes: Changes) -> os.stat_result:
        path = descriptor_path(self._reach(node))
        if changes.uid is not None or changes.gid is not None or changes == _NO_CHANGES:
            os.chown(path, _unless(changes.uid), _unless(changes.gid))
        if changes.mode is not None:
            os.chmod(path, changes.mode)
        if changes.size is not None:
            os.truncate(path, changes.size)
        if changes.atime_ns is not None or changes.mtime_ns is not None:
            syscalls.utimens(path, changes.atime_ns, changes.mtime_ns)
        return os.fstat(self._reach(node))

    def setxattr(self, node: FileNode, name: bytes, value: bytes, flags: int) -> None:
        os.setxattr(descriptor_path(self._reach(node)), name, value, flags)

    def removexattr(self, node: FileNode, name: bytes) -> None:
        os.removexattr(descriptor_path(self._reach(node)), name)


def _is_at(node: FileNode, parent: FileNode, name: bytes) -> bool:
    """Whether the node is reached by this name."""
    return node.parent is not None and not node.nameless and node.name == name and node.parent.key == parent.key


def _unless(value: int | None) -> int:
    return -1 if value is None else value
