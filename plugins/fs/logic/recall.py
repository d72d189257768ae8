"""Files by their number alone. A file handle has no more of them (name_to_handle_at(2); fuse_encode_fh in
fs/fuse/inode.c); where the kernel has forgotten the file, it looks up ``.`` in it, and ``..`` for the way to it.

What is found has been seen through this mount before, so nothing outside the tree is reached.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Hashable
from typing import Any

from cntr_core.filesystem import N, Stat

from .forgotten import Name
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
    memory = operations.inodes.forgotten.get(number)
    if memory is None:
        raise _stale()
    for name in memory.names:
        found = _named(operations, name, memory.key)
        if found is not None:
            return found
    raise _stale()


def _named(operations: Operations[N], place: Name, key: Hashable) -> tuple[Inode[N], Stat] | None:
    """The file with this key, if it still has the name."""
    directory, _ = _itself(operations, place[0])
    try:
        node, status = operations.branch.lookup(directory.node, place[1])
        if node.key == key:
            return operations.entered(node, status)
        operations.branch.forget(node)
    except FileNotFoundError:
        pass
    finally:
        operations.forget([(directory.number, 1)])
    return None


def _above(operations: Operations[N], number: int) -> tuple[Inode[N], Stat]:
    inode = operations.inodes.get(number)
    if inode is None:
        raise _stale()
    directory: Any = inode.node.parent or inode.node
    return operations.entered(directory, operations.branch.stat(directory))


def _stale() -> OSError:
    return OSError(errno.ESTALE, os.strerror(errno.ESTALE))
