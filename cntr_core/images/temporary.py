"""Directories for large files that go with whoever made them: at once, or when the next one is made."""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache

from .. import leftovers
from ..kernel.cgroup_removal import end_members, is_group, remove_group
from ..room import room
from .read.blobs import spool_directory
from .tree.remove import remove_tree

_LOCK = ".cntr-lock"
"""The file in each such directory that is locked while its maker lives, or a process that cleans up after it."""
_PREFIX = "cntr-"
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def temporary_directory(prefix: str) -> Iterator[tuple[str, int]]:
    """A new directory, whose name begins with `prefix`, and the descriptor of its lock; both go with the block.

    A process that removes the directory after our death keeps the lock's descriptor open.

    :raises ImageError: there is no room, also for what is written within the block and told by nobody else.
    :raises OSError: it cannot be made.
    """
    parent = spool_directory()
    _sweep(parent)
    path = os.path.join(parent, f"{prefix}{secrets.token_hex(8)}")
    leftovers.note(path)
    with room(parent, "TMPDIR"), ExitStack() as held:
        try:
            lock = locked_directory(path)
            held.callback(os.close, lock)
            yield path, lock
        finally:
            remove_tree(path)  # before the lock is given up: others sweep what nobody holds
            leftovers.forget(path)


def remove_noted() -> None:
    """Remove what a process that was killed had noted (:mod:`cntr_core.leftovers`), as far as that is possible: the
    last first, of which a control group goes with all that lives there."""
    for path in filter(os.path.lexists, reversed(leftovers.noted())):
        with suppress(OSError):
            if is_group(path):
                end_members(path)
                remove_group(path)
            elif os.path.isdir(path) and not os.path.islink(path):
                remove_tree(path)
            else:
                os.unlink(path)


def locked_directory(path: str) -> int:
    """Make the directory `path`, whose name begins with ``cntr-``, for us alone, and give the descriptor of its lock.
    Who no longer holds that must have removed the directory, else the next that makes one does.

    :raises OSError: it cannot be made.
    """
    os.mkdir(path, 0o700)
    return _locked(path)


def _locked(directory: str) -> int:
    """The descriptor of the directory's lock, which appears locked: nobody takes it before us."""
    path = os.path.join(directory, _LOCK)
    fd = os.open(f"{path}.new", os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    fcntl.flock(fd, fcntl.LOCK_EX)
    os.rename(f"{path}.new", path)
    return fd


def swept() -> tuple[str, ...]:
    """The names of the directories that this process found dead, and has removed."""
    return _sweep(spool_directory())


@cache
def _sweep(parent: str) -> tuple[str, ...]:
    """Remove the directories below `parent` that nobody alive holds, once a process; gives their names. The place is
    open to all users (/tmp): what is not ours alone is not touched."""
    removed = []
    for name in os.listdir(parent):
        if name.startswith(_PREFIX):
            with suppress(OSError):  # somebody else's, or alive
                _remove_unlocked(os.path.join(parent, name))
                removed.append(name)
    return tuple(removed)


def _remove_unlocked(path: str) -> None:
    directory = os.open(path, _DIRECTORY)
    try:
        status = os.fstat(directory)
        if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) != 0o700:
            raise PermissionError(errno.EPERM, "it is not ours alone", path)
        lock = os.open(_LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove_tree(path)
        finally:
            os.close(lock)
    finally:
        os.close(directory)
