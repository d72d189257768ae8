"""fanotify(7) of whole filesystems, whose events name files by handles (Linux 5.17), and opening those."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterator
from typing import NamedTuple

from .syscall import Syscall

# linux/fanotify.h
FAN_CLOEXEC = 0x1
FAN_NONBLOCK = 0x2
FAN_REPORT_FID = 0x200
FAN_REPORT_DIR_FID = 0x400
FAN_REPORT_NAME = 0x800
FAN_REPORT_TARGET_FID = 0x1000

FAN_MARK_ADD = 0x1
FAN_MARK_REMOVE = 0x2
FAN_MARK_DONT_FOLLOW = 0x4
FAN_MARK_FILESYSTEM = 0x100

AT_HANDLE_FID = 0x200

FAN_MODIFY = 0x2
FAN_ATTRIB = 0x4
FAN_CLOSE_WRITE = 0x8
FAN_MOVED_FROM = 0x40
FAN_MOVED_TO = 0x80
FAN_CREATE = 0x100
FAN_DELETE = 0x200
FAN_Q_OVERFLOW = 0x4000
FAN_EVENT_ON_CHILD = 0x08000000
FAN_ONDIR = 0x40000000

_INFO_FID, _INFO_DFID_NAME, _INFO_DFID = 1, 2, 3  # FAN_EVENT_INFO_TYPE_*
_METADATA = struct.Struct("=IBBHQii")  # struct fanotify_event_metadata: length, version …, mask, fd, pid
_INFO = struct.Struct("=BxH8sI4x")  # struct fanotify_event_info_fid: type, length, fsid, size of the handle
_HANDLE = _INFO.size - 8
"""Where struct file_handle begins in it."""

_ADMIN = "CAP_SYS_ADMIN of the machine"
_fanotify_init = Syscall("fanotify_init", 262, 300, wants=_ADMIN)
_fanotify_mark = Syscall("fanotify_mark", 263, 301, wants=_ADMIN)
_name_to_handle_at = Syscall("name_to_handle_at", 264, 303)
_open_by_handle_at = Syscall("open_by_handle_at", 265, 304, wants="CAP_DAC_READ_SEARCH of the machine")

_MOST_BYTES = 128  # MAX_HANDLE_SZ


class FileHandle(NamedTuple):
    """A file, named by its filesystem (f_fsid of statfs(2)) and a struct file_handle."""

    fsid: bytes
    handle: bytes


class FileEvent(NamedTuple):
    """What process `pid` did (FAN_* in `mask`): to `file`, to `name` in `directory`, or both. "." is the directory
    itself. An overflow of the queue has none of them."""

    mask: int
    pid: int
    file: FileHandle | None
    directory: FileHandle | None
    name: bytes


def fanotify_init(flags: int, event_flags: int = os.O_RDONLY) -> int:
    """The descriptor of a new group (fanotify_init(2))."""
    return _fanotify_init(flags, event_flags)


def fanotify_mark(group: int, flags: int, mask: int, dirfd: int, name: bytes) -> None:
    """Change what the group is told of; `dirfd` is not O_PATH when `name` is ".", as it may be else
    (fanotify_mark(2))."""
    _fanotify_mark(group, flags, mask, dirfd, name)


def name_to_handle_at(dirfd: int, name: bytes, flags: int = 0) -> bytes:
    """The struct file_handle of a file (name_to_handle_at(2)), whose last link is not followed; with AT_HANDLE_FID one
    that may only be compared (Linux 6.5)."""
    buffer = ctypes.create_string_buffer(struct.pack("=Ii", _MOST_BYTES, 0), 8 + _MOST_BYTES)
    mount = ctypes.c_int()
    _name_to_handle_at(dirfd, name, buffer, ctypes.byref(mount), flags)
    return buffer.raw[: 8 + int(struct.unpack_from("=I", buffer)[0])]


def open_by_handle_at(mount: int, handle: bytes, flags: int) -> int:
    """Open the file by its handle; `mount` is any file of its filesystem, open without O_PATH
    (open_by_handle_at(2))."""
    return _open_by_handle_at(mount, handle, flags | os.O_CLOEXEC)


def file_events(raw: bytes) -> Iterator[FileEvent]:
    """The events that a read(2) of a group's descriptor gave, in their order."""
    start = 0
    while start < len(raw):
        length, _, _, head, mask, _, pid = _METADATA.unpack_from(raw, start)
        yield _event(raw, start + head, start + length, mask, pid)
        start += length


def _event(raw: bytes, start: int, end: int, mask: int, pid: int) -> FileEvent:
    file = directory = None
    name = b""
    while start < end:
        kind, length, fsid, size = _INFO.unpack_from(raw, start)
        after = start + _INFO.size + size
        handle = FileHandle(fsid, raw[start + _HANDLE : after])
        if kind == _INFO_FID:
            file = handle
        elif kind in (_INFO_DFID_NAME, _INFO_DFID):
            directory = handle
            name = raw[after : start + length].rstrip(b"\0") if kind == _INFO_DFID_NAME else b"."
        start += length
    return FileEvent(mask, pid, file, directory, name)
