"""Files by their number alone. A file handle has no more of them (name_to_handle_at(2); fuse_encode_fh in
fs/fuse/inode.c); where the kernel has forgotten the file, it looks up ``.`` in it, and ``..`` for the way to it.

What is found has been seen through this mount before, so nothing outside the tree is reached.
"""

from __future__ import annotations

import errno
import os
from typing import Any

from cntr_core.filesystem import N, Stat

from .inodes import Inode
from .operations import Operations

DOTS = frozenset([b".", b".."])


def find(operations: Operations[N], number: int, name: bytes) -> tuple[Inode[N], Stat]:
    """The file with this number for ``.``, its directory for ``..``, counted as looked up.

    :raises OSError: ESTALE, it is gone or another one, or it was forgotten long ago.
    """
    return _itself(operations, number) if name == b"." else _above(operations, number)


def _itself(operations: Operations[N], number: int) -> tuple[Inode[N], Stat]:
    inode = operations.inodes.get(number)
    if inode is not None:
        return operations.entered(inode.node, operations.branch.stat(inode.node))
    place = operations.inodes.forgotten.place(number)
    if place is None:
        raise _stale()
    directory, _ = _itself(operations, place.directory)
    try:
        node, status = operations.branch.lookup(directory.node, place.name)
        if node.key != place.key:
            operations.branch.forget(node)
            raise _stale()
        return operations.entered(node, status)
    finally:
        operations.forget([(directory.number, 1)])


def _above(operations: Operations[N], number: int) -> tuple[Inode[N], Stat]:
    inode = operations.inodes.get(number)
    if inode is None:
        raise _stale()
    directory: Any = inode.node.parent or inode.node
    return operations.entered(directory, operations.branch.stat(directory))


def _stale() -> OSError:
    return OSError(errno.ESTALE, os.strerror(errno.ESTALE))
