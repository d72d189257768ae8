"""Answers as the kernel reads them."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence

from cntr_core.filesystem import DirEntry, N, Stat

from ..logic.inodes import Inode
from .protocol import (
    ATTR,
    ATTR_OUT,
    DIRENT,
    ENTRY_OUT,
    NO_ATTR,
    STATFS_OUT,
    STATX,
    STATX_BASIC_STATS,
    STATX_BTIME,
    STATX_OUT,
)

_GIGA = 10**9
_PADDING = tuple(bytes(-length % 8) for length in range(8))


def attr(ino: int, status: Stat) -> bytes:
    """struct fuse_attr. Times before 1970 have negative seconds and positive nanoseconds."""
    atime, atime_ns = divmod(status.st_atime_ns, _GIGA)
    mtime, mtime_ns = divmod(status.st_mtime_ns, _GIGA)
    ctime, ctime_ns = divmod(status.st_ctime_ns, _GIGA)
    return ATTR.pack(
        ino,
        status.st_size,
        status.st_blocks,
        atime,
        mtime,
        ctime,
        atime_ns,
        mtime_ns,
        ctime_ns,
        status.st_mode,
        status.st_nlink,
        status.st_uid,
        status.st_gid,
        status.st_rdev & 0xFFFFFFFF,  # glibc's dev_t has the kernel's 32 bits at the bottom
        status.st_blksize,
        0,
    )


def attributes(inode: Inode[N], status: Stat, timeout: int) -> bytes:
    """struct fuse_attr_out."""
    return ATTR_OUT.pack(timeout, 0) + attr(inode.node.ino, status)


def entry(inode: Inode[N], status: Stat, timeouts: tuple[int, int]) -> bytes:
    """struct fuse_entry_out; `timeouts` are those of the name and of the attributes."""
    head = ENTRY_OUT.pack(inode.number, inode.generation, *timeouts, 0, 0)
    return head + attr(inode.node.ino, status)


def no_entry(timeout: int) -> bytes:
    """The name does not exist, and will not for `timeout` seconds."""
    return ENTRY_OUT.pack(0, 0, timeout, 0, 0, 0) + NO_ATTR


def dirent(entry: DirEntry, offset: int, ino: int | None = None) -> bytes:
    """struct fuse_dirent; `offset` is where the listing goes on after it."""
    name = entry.name
    head = DIRENT.pack(entry.ino if ino is None else ino, offset, len(name), entry.kind >> 12)
    return head + name + _PADDING[len(name) & 7]


def statfs(status: os.statvfs_result) -> bytes:
    """struct fuse_statfs_out."""
    return STATFS_OUT.pack(
        status.f_blocks,
        status.f_bfree,
        status.f_bavail,
        status.f_files,
        status.f_ffree,
        status.f_bsize,
        status.f_namemax,
        status.f_frsize,
    )


def statx(inode: Inode[N], status: Stat, born: int | None, timeout: int) -> bytes:
    """struct fuse_statx_out."""
    times = (status.st_atime_ns, born or 0, status.st_ctime_ns, status.st_mtime_ns)
    return STATX_OUT.pack(timeout, 0) + STATX.pack(
        STATX_BASIC_STATS | (0 if born is None else STATX_BTIME),
        status.st_blksize,
        0,
        status.st_nlink,
        status.st_uid,
        status.st_gid,
        status.st_mode,
        inode.node.ino,
        status.st_size,
        status.st_blocks,
        0,
        *(part for time in times for part in divmod(time, _GIGA)),
        os.major(status.st_rdev),
        os.minor(status.st_rdev),
    )


Lookup = Callable[[DirEntry], tuple[Inode[N], Stat] | None]
Timeouts = Callable[[Inode[N], Stat], tuple[int, int]]


def listing(entries: Sequence[DirEntry], offset: int, size: int) -> bytes:
    """As many of `entries`, from number `offset` on, as fit into `size` bytes."""
    parts: list[bytes] = []
    for position in range(offset, len(entries)):
        part = dirent(entries[position], position + 1)
        size -= len(part)
        if size < 0:
            break
        parts.append(part)
    return b"".join(parts)


def listing_plus(
    entries: Sequence[DirEntry], offset: int, size: int, lookup: Lookup[N], timeouts: Timeouts[N]
) -> bytes:
    """The same with attributes. A name that is gone by now comes without them, and one that `lookup` has nothing for:
    the kernel will ask.

    `timeouts` tells those of a name and its attributes.
    """
    parts: list[bytes] = []
    for position in range(offset, len(entries)):
        entry = entries[position]
        size -= ENTRY_OUT.size + ATTR.size + DIRENT.size + -(-len(entry.name) // 8) * 8
        if size < 0:
            break
        found = None if entry.name in (b".", b"..") else _try(lookup, entry)
        if found is None:
            parts.append(no_entry(0) + dirent(entry, position + 1))
            continue
        inode, status = found
        head = ENTRY_OUT.pack(inode.number, inode.generation, *timeouts(inode, status), 0, 0)
        ino, kind = inode.node.ino, stat.S_IFMT(status.st_mode)
        parts.append(head + attr(ino, status) + dirent(entry._replace(kind=kind), position + 1, ino))
    return b"".join(parts)


def _try(lookup: Lookup[N], entry: DirEntry) -> tuple[Inode[N], Stat] | None:
    try:
        return lookup(entry)
    except OSError:
        return None
