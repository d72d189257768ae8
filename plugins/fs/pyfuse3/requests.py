"""pyfuse3's requests, put to the filesystem, and its answers."""

# ruff: noqa: ARG002 - pyfuse3 passes what not every answer needs

from __future__ import annotations

import errno
import functools
import logging
import os
import stat
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, NoReturn, ParamSpec, TypeVar

import pyfuse3
from pyfuse3 import EntryAttributes, FileInfo, FUSEError, ReaddirToken, RequestContext, SetattrFields, StatvfsData

from cntr_core.filesystem import Changes, Stat

from ..logic import recall
from ..logic.caller import Caller
from ..logic.inodes import ROOT, Inode
from ..logic.listener import listen
from ..logic.notifier import Notifier
from ..logic.observed import ObservedOperations
from ..logic.operations import Operations
from ..logic.policy import Policy
from ..logic.pruning import Pruner
from ..logic.stop import Stopper
from ..logic.timeouts import Timeouts
from .loop import run, take_the_place_of_trio

_log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")


def serve(device: int, operations: Operations[Any], policy: Policy, stopper: Stopper, notifier: Notifier) -> None:
    """Answer what comes from `device`, an open /dev/fuse with a mount, until the mount is gone."""
    # libfuse takes a device with a mount under this name, and then neither mounts nor adds options (Linux:
    # mount.fuse3(8)).
    timeouts = Timeouts(operations, policy, notifier)
    listen(notifier, operations, timeouts)
    requests = Requests(operations, timeouts)
    operations.known.pruner = Pruner(device, notifier)
    if isinstance(operations, ObservedOperations):
        _note_callers(requests, operations)
    take_the_place_of_trio(stopper)
    pyfuse3.init(requests, f"/dev/fd/{device}", {"fsname=cntr"})
    run()


def _answered(handler: Callable[P, Coroutine[Any, Any, R]]) -> Callable[P, Coroutine[Any, Any, R]]:
    """Make every failure an answer: any other exception would end the mount."""

    @functools.wraps(handler)
    async def answered(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return await handler(*args, **kwargs)
        except OSError as error:
            raise FUSEError(error.errno or errno.EIO) from None
        except FUSEError:
            raise
        except Exception:
            _log.exception("request %s failed", handler.__name__)
            raise FUSEError(errno.EIO) from None

    return answered


class Requests(pyfuse3.Operations):
    """One method a request. Numbers of inodes are the ones users see: libfuse makes no difference."""

    supports_dot_lookup = True
    enable_acl = True

    def __init__(self, operations: Operations[Any], timeouts: Timeouts[Any]) -> None:
        super().__init__()
        self._operations = operations
        self._timeouts = timeouts
        self._entry = EntryAttributes()  # one for all: each is sent before the next request is read
        self._no_entry = EntryAttributes()
        self._no_entry.st_ino = 0  # no such name, which may be kept for a while
        self._openers: dict[int, Caller] = {}

    def _filled(self, found: tuple[Inode[Any], Stat], *, listed: bool = False) -> EntryAttributes:
        inode, status = found
        entry: Any = self._entry
        entry.st_ino = inode.number
        entry.generation = inode.generation
        timeouts = self._timeouts.of_listed if listed else self._timeouts.of
        entry.entry_timeout, entry.attr_timeout = timeouts(inode, status)
        entry.st_mode = status.st_mode
        entry.st_nlink = status.st_nlink
        entry.st_uid = status.st_uid
        entry.st_gid = status.st_gid
        entry.st_rdev = status.st_rdev
        entry.st_size = status.st_size
        entry.st_blksize = status.st_blksize
        entry.st_blocks = status.st_blocks
        entry.st_atime_ns = status.st_atime_ns
        entry.st_mtime_ns = status.st_mtime_ns
        entry.st_ctime_ns = status.st_ctime_ns
        return self._entry

    # Names and attributes

    @_answered
    async def lookup(self, parent_inode: int, name: bytes, ctx: RequestContext) -> EntryAttributes:
        try:
            if name in recall.DOTS:
                return self._filled(recall.find(self._operations, parent_inode, name))
            return self._filled(self._operations.lookup(parent_inode, name))
        except FileNotFoundError:
            self._no_entry.entry_timeout = self._timeouts.absent(parent_inode, name)
            return self._no_entry

    async def forget(self, inode_list: Sequence[tuple[int, int]]) -> None:
        self._operations.forget(inode_list)

    @_answered
    async def getattr(self, inode: int, ctx: RequestContext) -> EntryAttributes:
        return self._filled(self._operations.getattr(inode))

    @_answered
    async def setattr(
        self, inode: int, attr: EntryAttributes, fields: SetattrFields, fh: int | None, ctx: RequestContext
    ) -> EntryAttributes:
        changes = Changes(
            mode=stat.S_IMODE(attr.st_mode) if fields.update_mode else None,
            uid=attr.st_uid if fields.update_uid else None,
            gid=attr.st_gid if fields.update_gid else None,
            size=attr.st_size if fields.update_size else None,
            atime_ns=attr.st_atime_ns if fields.update_atime else None,
            mtime_ns=attr.st_mtime_ns if fields.update_mtime else None,
        )
        return self._filled(self._operations.setattr(inode, changes, _caller(ctx), kill_set_id=bool(ctx.uid)))

    @_answered
    async def readlink(self, inode: int, ctx: RequestContext) -> bytes:
        return self._operations.readlink(inode)

    @_answered
    async def statfs(self, ctx: RequestContext) -> StatvfsData:
        status, data = self._operations.statfs(ROOT), StatvfsData()
        for name in data.__getstate__():
            setattr(data, name, getattr(status, name))
        return data

    # Making and removing names

    @_answered
    async def mknod(self, parent_inode: int, name: bytes, mode: int, rdev: int, ctx: RequestContext) -> EntryAttributes:
        return self._filled(self._operations.mknod(parent_inode, name, mode, rdev, _caller(ctx)))

    @_answered
    async def mkdir(self, parent_inode: int, name: bytes, mode: int, ctx: RequestContext) -> EntryAttributes:
        return self._filled(self._operations.mkdir(parent_inode, name, stat.S_IMODE(mode), _caller(ctx)))

    @_answered
    async def symlink(self, parent_inode: int, name: bytes, target: bytes, ctx: RequestContext) -> EntryAttributes:
        return self._filled(self._operations.symlink(parent_inode, name, target, _caller(ctx)))

    @_answered
    async def link(self, inode: int, new_parent_inode: int, new_name: bytes, ctx: RequestContext) -> EntryAttributes:
        return self._filled(self._operations.link(inode, new_parent_inode, new_name))

    @_answered
    async def unlink(self, parent_inode: int, name: bytes, ctx: RequestContext) -> None:
        self._operations.unlink(parent_inode, name)

    @_answered
    async def rmdir(self, parent_inode: int, name: bytes, ctx: RequestContext) -> None:
        self._operations.rmdir(parent_inode, name)

    @_answered
    async def rename(
        self,
        parent_inode_old: int,
        name_old: bytes,
        parent_inode_new: int,
        name_new: bytes,
        flags: int,
        ctx: RequestContext,
    ) -> None:
        self._operations.rename((parent_inode_old, name_old), (parent_inode_new, name_new), flags)
        self._timeouts.renamed(parent_inode_new, name_new)

    # Contents

    @_answered
    async def open(self, inode: int, flags: int, ctx: RequestContext) -> FileInfo:
        if flags & os.O_TRUNC:
            self._operations.setattr(inode, Changes(size=0), _caller(ctx), kill_set_id=bool(ctx.uid))
        return self._opened(inode, self._operations.open(inode, flags), ctx)

    @_answered
    async def create(
        self, parent_inode: int, name: bytes, mode: int, flags: int, ctx: RequestContext
    ) -> tuple[FileInfo, EntryAttributes]:
        inode, status, handle = self._operations.create(parent_inode, name, flags, mode, _caller(ctx))
        return self._opened(inode.number, handle, ctx), self._filled((inode, status))

    def _opened(self, inode: int, handle: int, ctx: RequestContext) -> FileInfo:
        self._openers[handle] = _caller(ctx)
        return FileInfo(fh=handle, keep_cache=self._timeouts.keeps_content(inode))

    @_answered
    async def read(self, fh: int, off: int, size: int) -> bytes:
        return self._operations.read(0, fh, size, off)

    @_answered
    async def write(self, fh: int, off: int, buf: bytes) -> int:
        opener = self._openers[fh]  # pyfuse3 does not say who writes
        return self._operations.write(0, fh, buf, off, opener, kill_set_id=bool(opener.uid))

    async def flush(self, fh: int) -> NoReturn:
        raise FUSEError(errno.ENOSYS)  # nothing is held back; the kernel will not ask again

    @_answered
    async def release(self, fh: int) -> None:
        del self._openers[fh]
        self._operations.release(fh)

    @_answered
    async def fsync(self, fh: int, datasync: bool) -> None:
        self._operations.fsync(0, fh, datasync)

    # Directories

    @_answered
    async def opendir(self, inode: int, ctx: RequestContext) -> int:
        return self._operations.opendir(inode)

    @_answered
    async def readdir(self, fh: int, start_id: int, token: ReaddirToken) -> None:
        operations = self._operations
        directory = operations.handles.listing(fh).inode
        entries = operations.readdir(0, fh, start_id)
        for position in range(start_id, len(entries)):
            name = entries[position].name
            try:
                dots = name in (b".", b"..")
                found = operations.getattr(directory.number) if dots else operations.listed(directory.number, name)
            except OSError:
                continue  # removed since, by somebody else
            entry: Any = self._filled(found, listed=True)
            if not pyfuse3.readdir_reply(token, name, entry, position + 1):
                if not dots:
                    operations.forget([(found[0].number, 1)])
                return

    @_answered
    async def releasedir(self, fh: int) -> None:
        self._operations.release(fh)

    @_answered
    async def fsyncdir(self, fh: int, datasync: bool) -> None:
        self._operations.fsyncdir(0, fh, datasync)

    # Extended attributes

    @_answered
    async def getxattr(self, inode: int, name: bytes, ctx: RequestContext) -> bytes:
        return self._operations.getxattr(inode, name)

    @_answered
    async def listxattr(self, inode: int, ctx: RequestContext) -> list[bytes]:
        return self._operations.listxattr(inode, _caller(ctx))

    @_answered
    async def setxattr(self, inode: int, name: bytes, value: bytes, ctx: RequestContext) -> None:
        kill = name == b"system.posix_acl_access" and self._is_stranger(inode, ctx)
        self._operations.setxattr(inode, name, value, 0, kill_set_gid=kill)

    def _is_stranger(self, inode: int, ctx: RequestContext) -> bool:
        """Whether the caller is outside the file's group, and not root (libfuse does not pass on what the kernel
        found)."""
        group = self._operations.getattr(inode)[1].st_gid
        return bool(ctx.uid) and group != ctx.gid and group not in pyfuse3.get_sup_groups(ctx.pid)

    @_answered
    async def removexattr(self, inode: int, name: bytes, ctx: RequestContext) -> None:
        self._operations.removexattr(inode, name)


def _note_callers(requests: Requests, operations: ObservedOperations[Any]) -> None:
    """Have each request tell the observed filesystem who asks: its context comes last among the arguments."""

    def noting(handler: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*args: Any) -> Any:
            if isinstance(args[-1], RequestContext):
                operations.asked_by(args[-1].pid)
            return handler(*args)

        return noted

    for name, handler in vars(Requests).items():
        if not name.startswith("_") and callable(handler):
            setattr(requests, name, noting(getattr(requests, name)))


def _caller(ctx: RequestContext) -> Caller:
    return Caller(ctx.uid, ctx.gid, ctx.pid, ctx.umask)
