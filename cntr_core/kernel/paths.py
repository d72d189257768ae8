"""Opening paths that somebody else controls: openat2(2), Linux 5.6."""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from contextlib import closing
from typing import TYPE_CHECKING

from .mounts import PROC_SUPER_MAGIC, statfs_type
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

_MOST_LINKS = 40  # as the kernel has it (path_resolution(7))
_openat2 = Syscall("openat2", 437, since="5.6")


class _OpenHow(ctypes.Structure):
    """struct open_how of openat2(2)."""

    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


def openat2(dirfd: int, path: Path, flags: int, mode: int = 0, resolve: int = 0) -> int:
    """Open `path` under the RESOLVE_* rules; always close-on-exec.

    :raises OSError: EXDEV when the path would leave the tree, ELOOP for a link that the rules forbid, EAGAIN when a
        rename ran beside the lookup of a ``..`` below a root.
    """
    return _open(dirfd, encode(path), flags, mode, resolve, path)


def _open(dirfd: int, name: bytes, flags: int, mode: int, resolve: int, shown: Path) -> int:
    how = _OpenHow(flags | os.O_CLOEXEC, mode, resolve)
    return _openat2(dirfd, name, ctypes.byref(how), ctypes.sizeof(how), path=shown)


def open_in_root(rootfd: int, path: Path, flags: int, mode: int = 0) -> int:
    """Open `path` as a process would whose root is `rootfd`: absolute links and ``..`` stay inside.

    /proc's magic links (``/proc/PID/root`` …) are refused with ELOOP, because they leave any tree.
    """
    try:
        return openat2(rootfd, path, flags, mode, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)
    except BlockingIOError:
        # EAGAIN: a rename anywhere on the machine, during the lookup, left it open whether ".." stays inside.
        # Trying again is no answer: whoever renames all the time, in whatever container, wins.
        return walk_in_root(rootfd, path, flags, mode)


def walk_in_root(rootfd: int, path: Path, flags: int, mode: int = 0) -> int:
    """As :func:`open_in_root`, name by name: ``..`` is the directory that was walked through before, wherever it has
    been moved meanwhile. Renames elsewhere cannot disturb it; it takes some calls for each name."""
    names = _names(encode(path))
    with closing(_Walk(rootfd, path)) as walk:
        while True:
            name = names.pop()
            follow = bool(names) or not flags & (os.O_NOFOLLOW | os.O_EXCL)
            if follow and (link := walk.read_link(name)) is not None:
                names += _names(link)
            elif names:
                walk.enter(name)
            else:
                return walk.open(name, flags, mode)


def _names(path: bytes) -> list[bytes]:
    """What to walk through for `path`, the first at the end; the one to be opened is never ``/`` or ``..``."""
    names = [b"/"] * path.startswith(b"/") + [name for name in path.split(b"/") if name]
    if (path and not names) or path.endswith(b"/") or names[-1:] == [b".."]:
        names.append(b".")
    return names[::-1] or [b""]  # which nothing is


class _Walk:
    """Where a walk below `root` has come to; `path` is for its errors."""

    def __init__(self, root: int, path: Path) -> None:
        self._root = root
        self._path = path
        self._below: list[int] = []
        self._links = 0

    def read_link(self, name: bytes) -> bytes | None:
        """What the link `name` says; None where it is no link, or nothing."""
        try:
            fd = self.open(name, os.O_PATH | os.O_NOFOLLOW)
        except FileNotFoundError:
            return None
        with owned(fd):
            if not stat.S_ISLNK(os.fstat(fd).st_mode):
                return None
            self._links += 1
            if self._links > _MOST_LINKS:
                raise _openat2.error(errno.ELOOP, self._path)
            if statfs_type(fd) == PROC_SUPER_MAGIC:  # a magic link is refused by this; what others say is the kernel's
                os.close(_open(self._here(), name, os.O_PATH, 0, RESOLVE_NO_MAGICLINKS, self._path))
            return os.readlink(b"", dir_fd=fd)

    def enter(self, name: bytes) -> None:
        """Go to `name`, a directory."""
        if name == b"/":
            self.close()
        elif name == b"..":
            for fd in self._below[-1:]:
                os.close(fd)
            del self._below[-1:]
        else:
            self._below.append(self.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW))

    def open(self, name: bytes, flags: int, mode: int = 0) -> int:
        """Open `name`, which is no link that is to be followed."""
        return _open(self._here(), name, flags, mode, RESOLVE_NO_SYMLINKS, self._path)

    def close(self) -> None:
        """Go back to the root."""
        for fd in self._below:
            os.close(fd)
        self._below.clear()

    def _here(self) -> int:
        return self._below[-1] if self._below else self._root


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


def relative(path: bytes, root: bytes) -> bytes | None:
    """`path` as seen from `root`, by their names alone; None where it is not below.

    >>> relative(b"/a/b", b"/a"), relative(b"/a", b"/"), relative(b"/a", b"/a"), relative(b"/ab", b"/a")
    (b'b', b'a', b'', None)
    """
    prefix = root.rstrip(b"/") + b"/"
    if path == root:
        return b""
    return path[len(prefix) :] if path.startswith(prefix) else None
