"""System calls on files that Python's os module does not have."""

from __future__ import annotations

import ctypes
import fcntl
import os
import struct
from typing import NamedTuple

from cntr_core.filesystem import NOW, DirEntry
from cntr_core.kernel.syscall import AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW, Syscall

RENAME_NOREPLACE = 1
RENAME_EXCHANGE = 2
RENAME_WHITEOUT = 4

_renameat2 = Syscall("renameat2", 276, 316)
_statx = Syscall("statx", 291, 332, since="4.11")
_utimensat = Syscall("utimensat", 88, 280)
_fallocate = Syscall("fallocate", 47, 285)
_getdents64 = Syscall("getdents64", 61, 217)

# linux/fs.h: of the file's flags, and of its struct fsxattr, on machines where a long has 64 bits.
_GETFLAGS, _SETFLAGS = 0x80086601, 0x40086602
_FSGETXATTR, _FSSETXATTR = 0x801C581F, 0x401C5820
GETTING_FLAGS = frozenset([_GETFLAGS, _FSGETXATTR])
SETTING_FLAGS = frozenset([_SETFLAGS, _FSSETXATTR])
_FSXATTR_SIZE = 28

_UTIME_NOW = (1 << 30) - 1
_UTIME_OMIT = (1 << 30) - 2
_STATX_BTIME = 0x800
_STATX_MNT_ID = 0x1000
_DONT_SYNC = 0x4000  # AT_STATX_DONT_SYNC
_BTIME_OFFSET, _DEVICE_OFFSET, _MNT_ID_OFFSET = 0x50, 0x88, 0x90  # in struct statx

_DIRENT = struct.Struct("=QqHB")
_DIRENTS = ctypes.create_string_buffer(1 << 16)
_STATX_BUFFER = ctypes.create_string_buffer(256)


class ExtraStat(NamedTuple):
    """What only statx(2) tells. `mount_id` is 0 before Linux 5.8; `birth_time` is in nanoseconds, or None."""

    mount_id: int
    birth_time: int | None


def renameat2(old_dir: int, old: bytes, new_dir: int, new: bytes, flags: int) -> None:
    """Rename, with RENAME_* flags (renameat2(2))."""
    _renameat2(old_dir, old, new_dir, new, flags, path=old)


def statx(dir_fd: int, name: bytes = b"") -> ExtraStat:
    """Mount and birth time of `name` in `dir_fd`, or of `dir_fd` itself; links are not followed
    (statx(2))."""
    flags = AT_SYMLINK_NOFOLLOW if name else AT_EMPTY_PATH
    _statx(dir_fd, name, flags, _STATX_BTIME | _STATX_MNT_ID, _STATX_BUFFER)
    raw = _STATX_BUFFER.raw
    (mask,) = struct.unpack_from("=I", raw)
    seconds, nanoseconds = struct.unpack_from("=qI", raw, _BTIME_OFFSET)
    (mount_id,) = struct.unpack_from("=Q", raw, _MNT_ID_OFFSET)
    return ExtraStat(mount_id, seconds * 10**9 + nanoseconds if mask & _STATX_BTIME else None)


def device_of(fd: int) -> tuple[int, int]:
    """Major and minor number of the filesystem that `fd` lies on, without asking it (statx(2))."""
    _statx(fd, b"", AT_EMPTY_PATH | _DONT_SYNC, 0, _STATX_BUFFER)
    major, minor = struct.unpack_from("=II", _STATX_BUFFER.raw, _DEVICE_OFFSET)
    return major, minor


def utimens(path: bytes, atime_ns: int | None, mtime_ns: int | None) -> None:
    """Set times; None leaves one as it is, NOW means now (utimensat(2)).

    os.utime() has neither UTIME_NOW for one of the two nor UTIME_OMIT. The final link is followed: `path` is
    one of /proc/self/fd, whose target may itself be a symbolic link.
    """
    times = b"".join(_timespec(value) for value in (atime_ns, mtime_ns))
    _utimensat(AT_FDCWD, path, times, 0, path=path)


def _timespec(value: int | None) -> bytes:
    if value is None:
        return struct.pack("=qq", 0, _UTIME_OMIT)
    if value == NOW:
        return struct.pack("=qq", 0, _UTIME_NOW)
    return struct.pack("=qq", *divmod(value, 10**9))


def fallocate(fd: int, mode: int, offset: int, length: int) -> None:
    """Allocate, punch, zero, collapse … (fallocate(2))."""
    _fallocate(fd, mode, offset, length)


def flags_ioctl(fd: int, command: int, argument: bytes) -> bytes:
    """One of GETTING_FLAGS and SETTING_FLAGS; `fd` is not O_PATH (ioctl_iflags(2), ioctl_fsgetxattr(2))."""
    buffer = bytearray(argument.ljust(_FSXATTR_SIZE, b"\0"))
    fcntl.ioctl(fd, command, buffer)
    return bytes(buffer)


def getdents(fd: int) -> list[DirEntry]:
    """All names of the open directory `fd`, from where it stands, without ``.`` and ``..`` (getdents64(2)).

    os.scandir() hides the type of FIFOs, sockets and devices.
    """
    entries = []
    while size := _getdents64(fd, _DIRENTS, len(_DIRENTS)):
        raw = _DIRENTS.raw[:size]
        position = 0
        while position < size:
            ino, _, length, kind = _DIRENT.unpack_from(raw, position)
            name = raw[position + 19 : raw.index(b"\0", position + 19)]
            if name not in (b".", b".."):
                entries.append(DirEntry(name, ino, kind << 12))
            position += length
    return entries


def descriptor_path(fd: int) -> bytes:
    """A path to the very file of `fd`, be it O_PATH, for calls that take no descriptor of that kind
    (proc(5))."""
    return b"/proc/self/fd/%d" % fd


def sync_file(fd: int, data_only: bool) -> None:
    """fsync(2) or fdatasync(2)."""
    (os.fdatasync if data_only else os.fsync)(fd)
