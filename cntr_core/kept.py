"""What takes time to make and is asked for again, kept in the cache; and where the cache is."""

from __future__ import annotations

import os
import stat
import struct
import zlib
from contextlib import suppress

from .errors import PermissionMissing
from .kernel.syscall import owned
from .kernel.user_namespaces import own_directory

TYPE_CHECKING = False  # as in cntr_core/__init__.py
if TYPE_CHECKING:
    from collections.abc import Callable

_HEAD = struct.Struct("=III")
"""Before what is kept: how many bytes the key has, how many the value, and the CRC-32 of both."""
_LARGEST = 1 << 20
_SLOTS = 64
"""So many values of a kind are kept: another key of the same slot takes its place."""


def cache_directory() -> str:
    """``$CNTR_CACHE_DIR``, else ``/var/cache/cntr`` for root and ``$XDG_CACHE_HOME/cntr`` for others.

    :raises PermissionMissing: the user has no home.
    """
    if path := os.environ.get("CNTR_CACHE_DIR"):
        return os.path.abspath(path)
    return own_directory("/var/cache/cntr", "XDG_CACHE_HOME", ".cache")


def private_directory(path: str) -> None:
    """Make the directory `path` of the cache, and what leads to it, for nobody else: images may hold secrets.

    makedirs(3) would give the mode to the last one alone. An older cntr let others look into the cache.

    :raises OSError: it cannot be made.
    """
    parent = os.path.dirname(path)
    if not os.path.isdir(parent):
        private_directory(parent)
    os.makedirs(path, mode=0o700, exist_ok=True)
    status = os.stat(parent)
    if os.path.basename(parent) == "cntr" and status.st_uid == os.geteuid() and status.st_mode & 0o077:
        os.chmod(parent, 0o700)


def kept(kind: str, key: bytes, make: Callable[[], bytes]) -> bytes:
    """What `make` gives, or gave before for the same `key`, which must have all that it depends on.

    It is read and written below a directory that nobody else can write to; else, or where there is no room, or no home
    to keep it in, `make` is called each time. What `make` raises is raised here.
    """
    try:
        directory, name = os.path.join(cache_directory(), kind), str(zlib.crc32(key) % _SLOTS)
    except PermissionMissing:
        return make()
    found = None
    with suppress(OSError, struct.error), owned(_open_own(directory)) as fd:
        found = _value(_read(fd, name), key)
    if found is None:
        found = make()
        with suppress(OSError):
            _write(directory, name, key, found)
    return found


def _open_own(directory: str) -> int:
    """:raises OSError: it is not there, or others may have written there."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    if not _is_own(os.fstat(fd)):
        os.close(fd)
        raise PermissionError(directory)
    return fd


def _is_own(status: os.stat_result) -> bool:
    return status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _read(directory: int, name: str) -> bytes:
    with owned(os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)) as fd:
        status = os.fstat(fd)
        return os.read(fd, _LARGEST) if stat.S_ISREG(status.st_mode) and _is_own(status) else b""


def _value(content: bytes, key: bytes) -> bytes | None:
    """None where `content` is of another key, or not as it was written; :raises struct.error: it is too short."""
    of_key, of_value, checksum = _HEAD.unpack_from(content)
    both = content[_HEAD.size :]
    is_whole = len(both) == of_key + of_value and zlib.crc32(both) == checksum
    return both[of_key:] if is_whole and both[:of_key] == key else None


def _write(directory: str, name: str, key: bytes, value: bytes) -> None:
    """A reader sees the old or the new value, or none. :raises OSError: it cannot be written."""
    content = _HEAD.pack(len(key), len(value), zlib.crc32(key + value)) + key + value
    if len(content) >= _LARGEST:
        return
    private_directory(directory)
    with owned(_open_own(directory)) as fd:
        new = f".{name}.{os.getpid()}"
        try:
            with open(new, "xb", opener=lambda path, flags: os.open(path, flags, 0o600, dir_fd=fd)) as file:
                file.write(content)
            os.rename(new, name, src_dir_fd=fd, dst_dir_fd=fd)
        except OSError:
            with suppress(OSError):
                os.unlink(new, dir_fd=fd)
            raise
