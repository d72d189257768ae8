"""The one filesystem: what the kernel can ask, answered from a branch.

Synchronous, and plain values in and out: numbers of inodes and handles, bytes, stat results. Transports
translate from and to the kernel's messages. Permissions were checked by the kernel (mount option
``default_permissions``). Every failure is an OSError, whose errno is the answer.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Generic

from cntr_core.filesystem import Branch, Changes, DirEntry, N, Node, Stat

from . import syscalls
from .caller import Caller, acting_as, keeping_set_id, writing_as
from .handles import Handle, Handles, Listing
from .inodes import Inode, InodeTable
from .pruning import Known
from .syscalls import RENAME_EXCHANGE

_SET_ID = stat.S_ISUID | stat.S_ISGID
_NO_CHANGES = Changes()
_ACLS = (b"system.posix_acl_access", b"system.posix_acl_default")


class Operations(Generic[N]):
    """Handlers over one branch. Look-ups count: what returns an inode has counted one, until
    :meth:`forget`."""

    def __init__(self, branch: Branch[N], *, read_only: bool = True, links_inside: bool = False) -> None:
        self.branch = branch
        self.links_inside = links_inside
        self.read_only = read_only or not branch.writable
        self.inodes = InodeTable(branch.root, stat.S_IFDIR)
        self.handles = Handles(branch)
        self.known = Known(self.inodes)

    def entered(self, node: N, status: Stat) -> tuple[Inode[N], Stat]:
        """The inode of a file that was found, counted as looked up."""
        inode = self.inodes.enter(node, stat.S_IFMT(status.st_mode))
        if inode.node is not node:
            if status.st_nlink > 1 and inode.node.name != node.name and inode.kind != stat.S_IFDIR:
                self.inodes.remember_name(inode)
            self.branch.adopt(inode.node, node)
        else:
            self.known.entered()
        return inode, status

    def _changeable(self, number: int) -> N:
        if self.read_only:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return self.inodes[number].node

    # Names and attributes

    def lookup(self, parent: int, name: bytes) -> tuple[Inode[N], Stat]:
        return self.listed(parent, name)

    def listed(self, parent: int, name: bytes) -> tuple[Inode[N], Stat]:
        """A look-up that only fills in a listing: nobody has asked for this name."""
        return self.entered(*self.branch.lookup(self.inodes[parent].node, name))

    def listed_entry(self, parent: int, entry: DirEntry) -> tuple[Inode[N], Stat] | None:
        """As :meth:`listed`; None where so many files are known that no more shall be for a listing alone: the kernel
        asks for those that somebody wants to know of."""
        return self.listed(parent, entry.name) if entry.kind == stat.S_IFDIR or self.known.has_room() else None

    def forget(self, forgotten: Iterable[tuple[int, int]]) -> None:
        """Take back counts: pairs of inode number and how many look-ups."""
        for number, lookups in forgotten:
            inode = self.inodes.get(number)
            if inode is not None and self.inodes.forget(inode, lookups):
                self.handles.forget(inode)
                self.branch.forget(inode.node)
        self.known.forgotten()

    def getattr(self, number: int) -> tuple[Inode[N], Stat]:
        inode = self.inodes[number]
        return inode, self.branch.stat(inode.node)

    def birth_time(self, number: int) -> int | None:
        return self.branch.birth_time(self.inodes[number].node)

    def setattr(
        self, number: int, changes: Changes, caller: Caller, *, kill_set_id: bool = False
    ) -> tuple[Inode[N], Stat]:
        """Change attributes; `kill_set_id` as when a process without CAP_FSETID truncates."""
        inode, node = self.inodes[number], self._changeable(number)
        if changes.mode is not None:
            with keeping_set_id(bool(changes.mode & stat.S_ISGID)):
                return inode, self.branch.setattr(node, changes)
        times_only = changes.size is changes.uid is changes.gid is None and changes != _NO_CHANGES
        status = self.branch.stat(node)
        if times_only or not status.st_mode & _SET_ID:
            return inode, self.branch.setattr(node, changes)
        if changes == _NO_CHANGES and caller.uid not in (0, status.st_uid) and not self.handles.is_written(inode):
            # Either somebody wrote to the file, or chown(2) of -1, -1: the kernel has not checked who may do that.
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))
        keep = not caller.uid if changes.size is None else not kill_set_id
        with writing_as(caller, keep=keep):
            return inode, self.branch.setattr(node, changes)

    def readlink(self, number: int) -> bytes:
        node = self.inodes[number].node
        target = self.branch.readlink(node)
        return _relative(node, target) if self.links_inside and target.startswith(b"/") else target

    def statfs(self, number: int) -> os.statvfs_result:
        return self.branch.statvfs(self.inodes[number].node)

    # Making and removing names

    def mknod(self, parent: int, name: bytes, mode: int, rdev: int, caller: Caller) -> tuple[Inode[N], Stat]:
        with acting_as(caller), keeping_set_id(bool(mode & stat.S_ISGID)):
            return self.entered(*self.branch.mknod(self._changeable(parent), name, mode, rdev))

    def mkdir(self, parent: int, name: bytes, mode: int, caller: Caller) -> tuple[Inode[N], Stat]:
        with acting_as(caller), keeping_set_id(bool(mode & stat.S_ISGID)):
            return self.entered(*self.branch.mkdir(self._changeable(parent), name, mode))

    def symlink(self, parent: int, name: bytes, target: bytes, caller: Caller) -> tuple[Inode[N], Stat]:
        with acting_as(caller):
            return self.entered(*self.branch.symlink(self._changeable(parent), name, target))

    def link(self, number: int, parent: int, name: bytes) -> tuple[Inode[N], Stat]:
        node, directory = self._changeable(number), self.inodes[parent].node
        return self.entered(*self.branch.link(node, directory, name))

    def unlink(self, parent: int, name: bytes) -> None:
        directory = self._changeable(parent)
        victim = self._kept(directory, name)
        self._keeping(victim, lambda node: self.branch.unlink(directory, name, node))
        self._removed(victim)

    def rmdir(self, parent: int, name: bytes) -> None:
        directory = self._changeable(parent)
        victim = self._kept(directory, name)
        self._keeping(victim, lambda node: self.branch.rmdir(directory, name, node))
        self._removed(victim)

    def rename(self, old: tuple[int, bytes], new: tuple[int, bytes], flags: int) -> None:
        """Rename, with RENAME_* flags of renameat2(2)."""
        source = self._changeable(old[0]), old[1]
        target = self._changeable(new[0]), new[1]
        moved, replaced = self._kept(*source), self._kept(*target)
        node = moved.node if moved else None
        self._keeping(replaced, lambda lost: self.branch.rename(source, target, flags, node, lost))
        if moved is not replaced and not flags & RENAME_EXCHANGE:
            self._removed(replaced)

    def _keeping(self, victim: Inode[N] | None, change: Callable[[N | None], None]) -> None:
        """Make a change that takes a name from `victim`, which stays reachable.

        Where others have left no descriptor for that, a file need not that nobody has open: whoever removes files is
        not to suffer from those who keep them.
        """
        try:
            change(victim.node if victim else None)
        except OSError as error:
            if error.errno != errno.EMFILE or victim is None or not self._is_spent(victim):
                raise
            change(None)

    def _is_spent(self, victim: Inode[N]) -> bool:
        """Whether nobody needs the file when its name is gone."""
        return not self.handles.is_open(victim) and (victim.kind == stat.S_IFDIR or self._links(victim) == 1)

    def _kept(self, directory: N, name: bytes) -> Inode[N] | None:
        """The inode that the kernel still refers to by this name."""
        try:
            node, _ = self.branch.lookup(directory, name)
        except FileNotFoundError:
            return None
        self.branch.forget(node)
        return self.inodes.find(node)

    def _removed(self, victim: Inode[N] | None) -> None:
        """One name of the file is gone. Were it the last, the next file with the same key is another one."""
        if victim is not None and (victim.kind == stat.S_IFDIR or not self._links(victim)):
            self.inodes.detach(victim)

    def _links(self, inode: Inode[N]) -> int:
        """How many names the file has; 0 where it cannot be reached."""
        try:
            return self.branch.stat(inode.node).st_nlink
        except OSError:
            return 0

    # Contents

    def open(self, number: int, flags: int, *, lazily: bool = False) -> int:
        """A handle. `lazily` leaves the content unopened until it is used: for a file with a backing."""
        if self.read_only and flags & os.O_ACCMODE != os.O_RDONLY:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        inode = self.inodes[number]
        self.handles.check_room()
        file = None if lazily else self.branch.open(inode.node, flags)
        return self.handles.add(Handle(self.branch, inode, flags, file))

    def backing(self, number: int, flags: int) -> int | None:
        """A descriptor for FUSE passthrough; see :meth:`Branch.backing`."""
        if self.read_only and flags & os.O_ACCMODE != os.O_RDONLY:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return self.branch.backing(self.inodes[number].node, flags)

    def create(self, parent: int, name: bytes, flags: int, mode: int, caller: Caller) -> tuple[Inode[N], Stat, int]:
        """Make and open a file, or open the one that somebody else made meanwhile; the last value is the
        handle."""
        directory = self._changeable(parent)
        self.handles.check_room()
        try:
            with acting_as(caller), keeping_set_id(bool(mode & stat.S_ISGID)):
                node, status, file = self.branch.create(directory, name, flags, mode)
        except FileExistsError:
            if flags & os.O_EXCL:
                raise
            inode, status = self.lookup(parent, name)
            if flags & os.O_TRUNC:
                _, status = self.setattr(inode.number, Changes(size=0), caller, kill_set_id=bool(caller.uid))
            return inode, status, self.open(inode.number, flags)
        inode, status = self.entered(node, status)
        return inode, status, self.handles.add(Handle(self.branch, inode, flags, file))

    def tmpfile(self, parent: int, flags: int, mode: int, caller: Caller) -> tuple[Inode[N], Stat, int]:
        self.handles.check_room()
        with acting_as(caller), keeping_set_id(bool(mode & stat.S_ISGID)):
            node, status, file = self.branch.tmpfile(self._changeable(parent), flags, mode)
        inode, status = self.entered(node, status)
        return inode, status, self.handles.add(Handle(self.branch, inode, flags, file))

    def read(self, number: int, handle: int, size: int, offset: int) -> bytes:
        return self._file(number, handle).file.read(size, offset)

    def write(
        self,
        number: int,
        handle: int,
        data: bytes | memoryview,
        offset: int,
        caller: Caller,
        *,
        kill_set_id: bool = False,
    ) -> int:
        """How much was written. With O_APPEND it goes to the end, whatever `offset` says (pwrite(2))."""
        fd = self._descriptor(number, handle)
        with _writing_to(fd, caller, keep=not kill_set_id):
            return os.pwrite(fd, data, offset)

    # No flag tells of these two whether set-ID bits are to go, as it does of writes: uid 0 stands for CAP_FSETID.

    def fallocate(self, number: int, handle: int, mode: int, offset: int, length: int, caller: Caller) -> None:
        fd = self._descriptor(number, handle)
        with _writing_to(fd, caller, keep=not caller.uid):
            syscalls.fallocate(fd, mode, offset, length)

    def copy_file_range(
        self, source: tuple[int, int, int], target: tuple[int, int, int], length: int, caller: Caller
    ) -> int:
        """Copy between two open files, each given as inode, handle, offset; how much was copied."""
        fd_in, fd_out = self._descriptor(*source[:2]), self._descriptor(*target[:2])
        with _writing_to(fd_out, caller, keep=not caller.uid):
            return os.copy_file_range(fd_in, fd_out, length, source[2], target[2])

    def lseek(self, number: int, handle: int, offset: int, whence: int) -> int:
        """SEEK_DATA and SEEK_HOLE; what has no descriptor has no holes."""
        opened = self._file(number, handle)
        fd = opened.file.descriptor
        if fd is not None:
            return os.lseek(fd, offset, whence)
        size = self.branch.stat(opened.inode.node).st_size
        if offset >= size:
            raise OSError(errno.ENXIO, os.strerror(errno.ENXIO))
        return offset if whence == os.SEEK_DATA else size

    def fsync(self, number: int, handle: int, data_only: bool) -> None:
        syscalls.sync_file(self._descriptor(number, handle), data_only)

    def release(self, handle: int) -> None:
        self.handles.close(handle)

    def _file(self, number: int, handle: int) -> Handle[N]:
        """The open file; where the kernel did not open it `handle` is 0, and the inode's number tells which."""
        return self.handles.file(handle) if handle else self.handles.borrow_file(self.inodes[number])

    def _descriptor(self, number: int, handle: int) -> int:
        fd = self._file(number, handle).file.descriptor
        if fd is None:
            raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
        return fd

    def ioctl(self, number: int, command: int, argument: bytes) -> bytes:
        """Attributes of chattr(1) and lsattr(1); what the call hands back (ioctl_iflags(2), ioctl_fsgetxattr(2)).

        The kernel has checked who may set which (fs/file_attr.c). All other commands are refused: they would act on
        whatever lies below.
        """
        if command in syscalls.SETTING_FLAGS:
            return self.branch.ioctl(self._changeable(number), command, argument)
        if command in syscalls.GETTING_FLAGS:
            return self.branch.ioctl(self.inodes[number].node, command, argument)
        raise OSError(errno.ENOTTY, os.strerror(errno.ENOTTY))

    # Directories

    def opendir(self, number: int) -> int:
        return self.handles.add(Listing(self.inodes[number]))

    def readdir(self, number: int, handle: int, offset: int) -> Sequence[DirEntry]:
        """All entries of the open directory, read anew when `offset` is 0; the caller goes on from there."""
        listing = self._listing(number, handle)
        if listing.entries is None or not offset:
            node = listing.inode.node
            above = node.parent or node
            dots = [DirEntry(b".", node.ino, stat.S_IFDIR), DirEntry(b"..", above.ino, stat.S_IFDIR)]
            listing.entries = dots + list(self.branch.list(node))
        return listing.entries

    def _listing(self, number: int, handle: int) -> Listing[N]:
        return self.handles.listing(handle) if handle else self.handles.borrow_listing(self.inodes[number])

    def fsyncdir(self, number: int, handle: int, data_only: bool) -> None:
        self.branch.syncdir(self._listing(number, handle).inode.node, data_only)

    # Extended attributes

    def getxattr(self, number: int, name: bytes) -> bytes:
        try:
            return self.branch.getxattr(self.inodes[number].node, name)
        except OSError as error:
            if error.errno == errno.ENOTSUP and name in _ACLS:
                # A filesystem without ACLs: the kernel would pass ENOTSUP on from stat(1) and access(2).
                raise OSError(errno.ENODATA, os.strerror(errno.ENODATA), name) from None
            raise

    def listxattr(self, number: int, caller: Caller) -> list[bytes]:
        """The names; those of ``trusted.`` are for root alone, which the kernel leaves to filesystems
        (xattr(7))."""
        names = self.branch.listxattr(self.inodes[number].node)
        return [name for name in names if not caller.uid or not name.startswith(b"trusted.")]

    def setxattr(self, number: int, name: bytes, value: bytes, flags: int, *, kill_set_gid: bool = False) -> None:
        """setxattr(2); `kill_set_gid` when somebody outside the file's group sets its ACL (acl(5),
        fuse.h)."""
        node = self._changeable(number)
        with keeping_set_id(name in _ACLS):
            self.branch.setxattr(node, name, value, flags)
        if kill_set_gid:
            mode = stat.S_IMODE(self.branch.stat(node).st_mode)
            self.branch.setattr(node, Changes(mode=mode & ~stat.S_ISGID))

    def removexattr(self, number: int, name: bytes) -> None:
        self.branch.removexattr(self._changeable(number), name)


def _writing_to(fd: int, caller: Caller, *, keep: bool) -> AbstractContextManager[None]:
    """:func:`writing_as` for an open file, which costs more than the write itself: few files have set-ID bits."""
    return writing_as(caller, keep=keep) if os.fstat(fd).st_mode & _SET_ID else nullcontext()


def _relative(link: Node, target: bytes) -> bytes:
    """An absolute target as the link itself would say it relative to its directory."""
    up, directory = b"", link.parent
    while directory is not None and directory.parent is not None:
        up, directory = b"../" + up, directory.parent
    return up + target.lstrip(b"/") or b"."
