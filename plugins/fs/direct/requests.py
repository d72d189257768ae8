"""What the kernel asks, taken apart, put to the filesystem, and answered."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import Generic, NamedTuple

from cntr_core.filesystem import NOW, Changes, N, Stat

from ..logic import recall, syscalls
from ..logic.caller import Caller
from ..logic.inodes import Inode
from ..logic.observed import ObservedOperations
from ..logic.operations import Operations
from ..logic.policy import Opening
from ..logic.timeouts import Timeouts
from . import protocol, replies
from .passthrough import Backings
from .protocol import Fattr, Fopen, Opcode


class Header(NamedTuple):
    """struct fuse_in_header."""

    length: int
    opcode: int
    unique: int
    node: int
    uid: int
    gid: int
    pid: int
    extensions: int


Handler = Callable[[Header, memoryview], bytes | None]


class Requests(Generic[N]):
    """One method an opcode: header and body in, body of the answer out; None where no answer is wanted."""

    def __init__(self, operations: Operations[N], timeouts: Timeouts[N], backings: Backings) -> None:
        self._operations = operations
        self._policy = timeouts.policy
        self._timeouts = timeouts
        self._backings = backings
        if backings.enabled:
            timeouts.written = 0
        self.handlers: dict[int, Handler] = {
            opcode: getattr(self, opcode.name.lower()) for opcode in Opcode if hasattr(self, opcode.name.lower())
        }
        if isinstance(operations, ObservedOperations):
            self.handlers = {opcode: _noting(operations, handler) for opcode, handler in self.handlers.items()}

    # Names and attributes

    def lookup(self, header: Header, body: memoryview) -> bytes:
        name = bytes(body[:-1])
        try:
            if name in recall.DOTS:
                return self._entry(recall.find(self._operations, header.node, name))
            return self._entry(self._operations.lookup(header.node, name))
        except FileNotFoundError:
            return replies.no_entry(self._timeouts.absent(header.node, name))

    def forget(self, header: Header, body: memoryview) -> None:
        self._forget([(header.node, protocol.FORGET_IN.unpack_from(body)[0])])

    def batch_forget(self, header: Header, body: memoryview) -> None:  # noqa: ARG002
        (count,) = protocol.BATCH_FORGET_IN.unpack_from(body)
        start, size = protocol.BATCH_FORGET_IN.size, protocol.FORGET_ONE.size
        self._forget(list(protocol.FORGET_ONE.iter_unpack(body[start : start + count * size])))

    def _forget(self, forgotten: list[tuple[int, int]]) -> None:
        self._operations.forget(forgotten)
        for number, _ in forgotten:
            self._backings.forget(number)

    def getattr(self, header: Header, body: memoryview) -> bytes:  # noqa: ARG002
        return self._attributes(*self._operations.getattr(header.node))

    def statx(self, header: Header, body: memoryview) -> bytes:  # noqa: ARG002
        inode, status = self._operations.getattr(header.node)
        timeout = self._timeouts.of(inode, status)[1]
        return replies.statx(inode, status, self._operations.birth_time(header.node), timeout)

    def _attributes(self, inode: Inode[N], status: Stat) -> bytes:
        return replies.attributes(inode, status, self._timeouts.of(inode, status)[1])

    def setattr(self, header: Header, body: memoryview) -> bytes:
        valid, changes = _changes(body)
        kill = bool(valid & Fattr.KILL_SUIDGID)
        return self._attributes(*self._operations.setattr(header.node, changes, _caller(header), kill_set_id=kill))

    def readlink(self, header: Header, body: memoryview) -> bytes:  # noqa: ARG002
        return self._operations.readlink(header.node)

    def statfs(self, header: Header, body: memoryview) -> bytes:  # noqa: ARG002
        return replies.statfs(self._operations.statfs(header.node))

    # Making and removing names

    def mknod(self, header: Header, body: memoryview) -> bytes:
        mode, rdev, umask = protocol.MKNOD_IN.unpack_from(body)
        name = bytes(body[protocol.MKNOD_IN.size : -1])
        device = os.makedev((rdev >> 8) & 0xFFF, (rdev & 0xFF) | ((rdev >> 12) & 0xFFF00))
        return self._entry(self._operations.mknod(header.node, name, mode, device, _caller(header, umask)))

    def mkdir(self, header: Header, body: memoryview) -> bytes:
        mode, umask = protocol.MKDIR_IN.unpack_from(body)
        name = bytes(body[protocol.MKDIR_IN.size : -1])
        return self._entry(self._operations.mkdir(header.node, name, mode, _caller(header, umask)))

    def symlink(self, header: Header, body: memoryview) -> bytes:
        name, target, _ = bytes(body).split(b"\0")
        return self._entry(self._operations.symlink(header.node, name, target, _caller(header)))

    def link(self, header: Header, body: memoryview) -> bytes:
        (number,) = protocol.LINK_IN.unpack_from(body)
        name = bytes(body[protocol.LINK_IN.size : -1])
        return self._entry(self._operations.link(number, header.node, name))

    def _entry(self, found: tuple[Inode[N], Stat]) -> bytes:
        return replies.entry(*found, self._timeouts.of(*found))

    def unlink(self, header: Header, body: memoryview) -> bytes:
        self._operations.unlink(header.node, bytes(body[:-1]))
        return b""

    def rmdir(self, header: Header, body: memoryview) -> bytes:
        self._operations.rmdir(header.node, bytes(body[:-1]))
        return b""

    def rename(self, header: Header, body: memoryview) -> bytes:
        (directory,) = protocol.RENAME_IN.unpack_from(body)
        return self._rename(header.node, directory, body[protocol.RENAME_IN.size :], 0)

    def rename2(self, header: Header, body: memoryview) -> bytes:
        directory, flags = protocol.RENAME2_IN.unpack_from(body)
        return self._rename(header.node, directory, body[protocol.RENAME2_IN.size :], flags)

    def _rename(self, old_directory: int, new_directory: int, names: memoryview, flags: int) -> bytes:
        old, new, _ = bytes(names).split(b"\0")
        self._operations.rename((old_directory, old), (new_directory, new), flags)
        self._timeouts.renamed(new_directory, new)
        return b""

    # Contents

    def open(self, header: Header, body: memoryview) -> bytes:
        flags, _ = protocol.OPEN_IN.unpack_from(body)
        if self._policy.opening is Opening.NONE:
            raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))  # the kernel will not ask again
        backing = self._operations.backing(header.node, flags)
        how, backing_id = self._backings.prepare(header.node, backing)
        try:
            handle = self._operations.open(header.node, flags, lazily=bool(backing_id))
        except BaseException:
            self._backings.settle(header.node)
            raise
        self._backings.opened(header.node, handle)
        if backing_id and flags & os.O_ACCMODE != os.O_RDONLY:
            self._backings.changed(header.node)  # a mapping changes its times without a word
        keep = Fopen.KEEP_CACHE if not how and self._timeouts.keeps_content(header.node) else 0
        return protocol.OPEN_OUT.pack(handle, how | keep, backing_id)

    def create(self, header: Header, body: memoryview) -> bytes:
        flags, mode, umask, _ = protocol.CREATE_IN.unpack_from(body)
        name = bytes(body[protocol.CREATE_IN.size : -1])
        return self._created(self._operations.create(header.node, name, flags, mode, _caller(header, umask)))

    def tmpfile(self, header: Header, body: memoryview) -> bytes:
        flags, mode, umask, _ = protocol.CREATE_IN.unpack_from(body)
        return self._created(self._operations.tmpfile(header.node, flags, mode, _caller(header, umask)))

    def _created(self, made: tuple[Inode[N], Stat, int]) -> bytes:
        inode, status, handle = made
        # It is open for writing already: nothing hinders the kernel, and nobody need look.
        how, backing_id = self._backings.prepare(inode.number, self._operations.backing(inode.number, os.O_RDONLY))
        self._backings.opened(inode.number, handle)
        return self._entry((inode, status)) + protocol.OPEN_OUT.pack(handle, how, backing_id)

    def read(self, header: Header, body: memoryview) -> bytes:
        handle, offset, size = protocol.READ_IN.unpack_from(body)
        return self._operations.read(header.node, handle, size, offset)

    def write(self, header: Header, body: memoryview) -> bytes:
        handle, offset, size, flags = protocol.WRITE_IN.unpack_from(body)
        start = protocol.WRITE_IN.size
        kill = bool(flags & protocol.WRITE_KILL_SUIDGID)
        data = body[start : start + size]
        caller = _caller(header)
        written = self._operations.write(header.node, handle, data, offset, caller, kill_set_id=kill)
        return protocol.WRITE_OUT.pack(written)

    def release(self, header: Header, body: memoryview) -> bytes:  # noqa: ARG002
        (handle,) = protocol.RELEASE_IN.unpack_from(body)
        self._backings.released(handle)
        self._operations.release(handle)
        return b""

    def fsync(self, header: Header, body: memoryview) -> bytes:
        handle, flags = protocol.FSYNC_IN.unpack_from(body)
        self._operations.fsync(header.node, handle, bool(flags & protocol.FSYNC_FDATASYNC))
        return b""

    def fallocate(self, header: Header, body: memoryview) -> bytes:
        handle, offset, length, mode = protocol.FALLOCATE_IN.unpack_from(body)
        self._operations.fallocate(header.node, handle, mode, offset, length, _caller(header))
        return b""

    def lseek(self, header: Header, body: memoryview) -> bytes:
        handle, offset, whence = protocol.LSEEK_IN.unpack_from(body)
        return protocol.LSEEK_OUT.pack(self._operations.lseek(header.node, handle, offset, whence))

    def copy_file_range(self, header: Header, body: memoryview) -> bytes:
        handle, offset, number, other, other_offset, length, _ = protocol.COPY_FILE_RANGE_IN.unpack_from(body)
        copied = self._operations.copy_file_range(
            (header.node, handle, offset), (number, other, other_offset), length, _caller(header)
        )
        return protocol.WRITE_OUT.pack(copied)

    def ioctl(self, header: Header, body: memoryview) -> bytes:
        _, command, size, wanted = protocol.IOCTL_IN.unpack_from(body)
        start = protocol.IOCTL_IN.size
        answer = self._operations.ioctl(header.node, command, bytes(body[start : start + size]))
        if command in syscalls.SETTING_FLAGS:
            self._backings.changed(header.node)  # the time of change, of which the kernel does not think
        return protocol.IOCTL_OUT.pack(0) + answer[:wanted]

    # Directories

    def opendir(self, header: Header, body: memoryview) -> bytes:  # noqa: ARG002
        if self._policy.stable_listings:
            raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))  # the kernel will not ask again
        keep = Fopen.KEEP_CACHE if self._timeouts.keeps_content(header.node) else 0
        return protocol.OPEN_OUT.pack(self._operations.opendir(header.node), keep | Fopen.CACHE_DIR, 0)

    def readdir(self, header: Header, body: memoryview) -> bytes:
        handle, offset, size = protocol.READ_IN.unpack_from(body)
        entries = self._operations.readdir(header.node, handle, offset)
        return replies.listing(entries, offset, size)

    def readdirplus(self, header: Header, body: memoryview) -> bytes:
        handle, offset, size = protocol.READ_IN.unpack_from(body)
        entries = self._operations.readdir(header.node, handle, offset)
        return replies.listing_plus(
            entries,
            offset,
            size,
            lambda entry: self._operations.listed_entry(header.node, entry),
            self._timeouts.of_listed,
        )

    def releasedir(self, header: Header, body: memoryview) -> bytes:
        return self.release(header, body)

    def fsyncdir(self, header: Header, body: memoryview) -> bytes:
        handle, flags = protocol.FSYNC_IN.unpack_from(body)
        self._operations.fsyncdir(header.node, handle, bool(flags & protocol.FSYNC_FDATASYNC))
        return b""

    # Extended attributes

    def getxattr(self, header: Header, body: memoryview) -> bytes:
        (size,) = protocol.GETXATTR_IN.unpack_from(body)
        name = bytes(body[protocol.GETXATTR_IN.size : -1])
        return _sized(self._operations.getxattr(header.node, name), size)

    def listxattr(self, header: Header, body: memoryview) -> bytes:
        (size,) = protocol.GETXATTR_IN.unpack_from(body)
        names = self._operations.listxattr(header.node, _caller(header))
        return _sized(b"".join(name + b"\0" for name in names), size)

    def setxattr(self, header: Header, body: memoryview) -> bytes:
        size, flags = protocol.SETXATTR_IN.unpack_from(body)
        start = protocol.SETXATTR_IN.size
        (more,) = protocol.SETXATTR_EXT.unpack_from(body, start)
        name, _, value = bytes(body[start + protocol.SETXATTR_EXT.size :]).partition(b"\0")
        kill = bool(more & protocol.SETXATTR_ACL_KILL_SGID)
        self._operations.setxattr(header.node, name, value[:size], flags, kill_set_gid=kill)
        return b""

    def removexattr(self, header: Header, body: memoryview) -> bytes:
        self._operations.removexattr(header.node, bytes(body[:-1]))
        return b""


def _noting(operations: ObservedOperations[N], handler: Handler) -> Handler:
    """The handler, which tells the observed filesystem who asks."""

    def noting(header: Header, body: memoryview) -> bytes | None:
        operations.asked_by(header.pid)
        return handler(header, body)

    return noting


def _caller(header: Header, umask: int = 0) -> Caller:
    return Caller(header.uid, header.gid, header.pid, umask)


def _sized(value: bytes, size: int) -> bytes:
    """The value, or its size where that was asked for."""
    if not size:
        return protocol.GETXATTR_OUT.pack(len(value))
    if len(value) > size:
        raise OSError(errno.ERANGE, os.strerror(errno.ERANGE))
    return value


def _changes(body: memoryview) -> tuple[int, Changes]:
    """struct fuse_setattr_in: its `valid`, and what it says."""
    valid, _, size, _, atime, mtime, _, atime_ns, mtime_ns, _, mode, uid, gid = protocol.SETATTR_IN.unpack_from(body)
    changes = Changes(
        mode=mode & 0o7777 if valid & Fattr.MODE else None,
        uid=uid if valid & Fattr.UID else None,
        gid=gid if valid & Fattr.GID else None,
        size=size if valid & Fattr.SIZE else None,
        atime_ns=_time(valid, Fattr.ATIME, Fattr.ATIME_NOW, atime, atime_ns),
        mtime_ns=_time(valid, Fattr.MTIME, Fattr.MTIME_NOW, mtime, mtime_ns),
    )
    return valid, changes


def _time(valid: int, given: int, now: int, seconds: int, nanoseconds: int) -> int | None:
    if valid & now:
        return NOW
    return seconds * 10**9 + nanoseconds if valid & given else None
