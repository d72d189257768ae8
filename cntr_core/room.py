"""Places that have no room for what is to be written: how that is told."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from .errors import ImageError
from .kernel import procfs
from .kernel.paths import relative

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""A full filesystem, a quota that is used up, a file larger than the filesystem or ``ulimit -f`` allows."""


def place(path: str, directory: int = -1) -> str:
    """`path` and the filesystem that it is on, or would be: ``/mnt/x (tmpfs at /mnt)``. Where the path is another
    namespace's, `directory` is a descriptor of what is there."""
    mounts = procfs.own_mounts()
    real = os.fsencode(os.path.realpath(path))
    number = _mount_id(directory) if directory >= 0 else 0
    found = [one for one in mounts if one.id == number or (not number and relative(real, one.point) is not None)]
    if not found:  # it is mounted in that other namespace alone
        return path
    nearest = max(reversed(found), key=lambda one: len(one.point))  # of several at one point the last is seen
    return f"{path} ({os.fsdecode(nearest.fstype)} at {os.fsdecode(nearest.point)})"


def _mount_id(fd: int) -> int:
    """The mount that an open file is on (proc_pid_fdinfo(5), Linux 3.15)."""
    with open(f"/proc/self/fdinfo/{fd}", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("mnt_id:"))


def refused(path: str, error: OSError, hint: str = "free some space, or write to another place") -> ImageError:
    """What to tell of `path`, which could not be written."""
    where = place(path) if error.errno in NO_ROOM else path
    if error.errno == errno.EFBIG:
        hint = "raise the limit of the size of files (ulimit -f), or write to another filesystem"
    return ImageError(f"{where} cannot be written: {error.strerror or error}", hint)


@contextmanager
def room(path: str, variable: str) -> Iterator[None]:
    """Says of a full filesystem below `path`, which the `variable` chooses, which one it was; other errors pass.

    :raises ImageError: there is no room.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        raise refused(path, error, f"free some space, or set {variable} to a place that has more") from error
