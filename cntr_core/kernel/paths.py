"""Opening paths that somebody else controls: openat2(2), Linux 5.6."""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from typing import TYPE_CHECKING

from .syscall import Syscall, encode, owned

if TYPE_CHECKING:
    from .syscall import Path

# linux/openat2.h
RESOLVE_NO_XDEV = 0x01
RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_BENEATH = 0x08
RESOLVE_IN_ROOT = 0x10
RESOLVE_CACHED = 0x20  # Linux 5.12

_RACES = 64
_openat2 = Syscall("openat2", 437, since="5.6")


class _OpenHow(ctypes.Structure):
    """struct open_how of openat2(2)."""

    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


def openat2(dirfd: int, path: Path, flags: int, mode: int = 0, resolve: int = 0) -> int:
    """Open `path` under the RESOLVE_* rules; always close-on-exec.

    :raises OSError: EXDEV when the path would leave the tree, ELOOP for a link that the rules forbid.
    """
    how = _OpenHow(flags | os.O_CLOEXEC, mode, resolve)
    attempts = _RACES
    while True:
        try:
            return _openat2(dirfd, encode(path), ctypes.byref(how), ctypes.sizeof(how), path=path)
        except BlockingIOError:
            # EAGAIN: a rename somewhere made "..", below a root, unsafe to decide; openat2(2) says to try
            # again.
            attempts -= 1
            if attempts == 0 or resolve & RESOLVE_CACHED:
                raise


def open_in_root(rootfd: int, path: Path, flags: int, mode: int = 0) -> int:
    """Open `path` as a process would whose root is `rootfd`: absolute links and ``..`` stay inside.

    /proc's magic links (``/proc/PID/root`` …) are refused with ELOOP, because they leave any tree.
    """
    return openat2(rootfd, path, flags, mode, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)


def read_in_root(rootfd: int, path: Path, limit: int = 1 << 20) -> bytes:
    """The content of a regular file below `rootfd`, at most `limit` bytes.

    A FIFO or device that was planted in its place is neither waited for nor opened.

    :raises OSError: EINVAL when it is not a regular file, EFBIG when it is larger than `limit`; else as
    openat2(2).
    """
    os.close(_regular(open_in_root(rootfd, path, os.O_PATH), path))
    # O_NONBLOCK: somebody may have put a FIFO there meanwhile.
    with owned(_regular(open_in_root(rootfd, path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY), path)) as fd:
        content = bytearray()
        while len(content) <= limit and (chunk := os.read(fd, limit + 1 - len(content))):
            content += chunk
    if len(content) > limit:
        raise OSError(errno.EFBIG, f"read: more than {limit} bytes", os.fspath(path))
    return bytes(content)


def _regular(fd: int, path: Path) -> int:
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    raise OSError(errno.EINVAL, "open: not a regular file", os.fspath(path))
