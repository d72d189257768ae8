"""Removing a tree that somebody else filled."""

from __future__ import annotations

import os
import stat

from ...kernel.paths import RESOLVE_NO_SYMLINKS, RESOLVE_NO_XDEV, openat2
from ...kernel.syscall import AT_FDCWD

_OPEN = os.O_RDONLY | os.O_DIRECTORY


def remove_tree(path: bytes | str, directory: int = AT_FDCWD) -> None:
    """Remove the directory `path` (one name below the descriptor `directory`) and all below it; absent is
    fine.

    Follows no link, enters no other mount, and needs neither recursion nor more than two descriptors, however
    deep the tree is. Nobody else may change the tree meanwhile.

    :raises OSError: EXDEV, something is mounted below; or as unlinkat(2).
    """
    top = os.fsencode(path)
    try:
        current = _enter(directory, top)
    except FileNotFoundError:
        return
    _empty(current)
    os.rmdir(top, dir_fd=None if directory == AT_FDCWD else directory)


def _empty(current: int) -> None:
    """Remove all below the directory of the descriptor, and close it."""
    levels = [(b"", _remove_files(current))]
    try:
        while levels:
            name, pending = levels[-1]
            if pending:
                child = pending.pop()
                current = _move(current, _enter(current, child))
                levels.append((child, _remove_files(current)))
                continue
            levels.pop()
            if levels:
                current = _move(current, os.open("..", _OPEN, dir_fd=current))
                os.rmdir(name, dir_fd=current)
    finally:
        os.close(current)


def _enter(directory: int, name: bytes) -> int:
    if directory == AT_FDCWD:
        return os.open(name, _OPEN | os.O_NOFOLLOW)
    return openat2(directory, name, _OPEN, resolve=RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV)


def _move(old: int, new: int) -> int:
    os.close(old)
    return new


def _remove_files(directory: int) -> list[bytes]:
    """Remove all but the directories, whose names are returned."""
    directories = []
    for name in map(os.fsencode, os.listdir(directory)):
        if stat.S_ISDIR(os.lstat(name, dir_fd=directory).st_mode):
            directories.append(name)
        else:
            os.unlink(name, dir_fd=directory)
    return directories
