"""What a request asks to show, made into one branch."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import Any

from cntr_core.errors import UsageError
from cntr_core.filesystem import Branch, MountRequest, PartialTree, Tree
from cntr_core.kernel.mounts import MOUNT_ATTR_RDONLY, MS_PRIVATE, MS_SLAVE, DetachedMount
from cntr_core.kernel.syscall import owned

from .logic.directory import DirectoryBranch
from .logic.partial import PartialBranch
from .logic.union import UnionBranch
from .logic.writable import WritableUnion


def branch_of(request: MountRequest, stack: ExitStack) -> Branch[Any]:
    """The branch to be served; closing `stack` gives up what was opened for it.

    :raises UsageError: there is nothing to show.
    """
    if not request.branches:
        raise UsageError("a mount needs at least one branch", "name a directory")
    branches = [
        _branch(tree, not request.read_only and index == 0, stack) for index, tree in enumerate(request.branches)
    ]
    if len(branches) == 1:
        return branches[0]
    return WritableUnion(branches) if branches[0].writable else UnionBranch(branches)


def _branch(tree: Tree, writable: bool, stack: ExitStack) -> Branch[Any]:
    if isinstance(tree, Branch):
        return tree
    if isinstance(tree, PartialTree):
        return PartialBranch(stack.enter_context(owned(_own_copy(tree.fd, MOUNT_ATTR_RDONLY, MS_SLAVE))), tree.part)
    return DirectoryBranch(stack.enter_context(owned(private_copy(tree.fd, writable))), writable=writable)


def private_copy(fd: int, writable: bool) -> int:
    """A descriptor of the same directory through mounts of our own, so that nothing is ever mounted on our way.

    Else a server that walks its tree could meet its own mount, and wait for itself. The copy of what is not written to
    is read-only, its times of access included.
    """
    return _own_copy(fd, 0 if writable else MOUNT_ATTR_RDONLY, MS_PRIVATE)


def _own_copy(fd: int, attributes: int, propagation: int) -> int:
    """A copy of the mounts at `fd`. Where the directory lies in another mount namespace the kernel refuses it; our
    mount is not in that one either.

    With MS_SLAVE a filesystem that is unmounted there is not kept by the copy. The host's tree, which has all disks, is
    copied so; a session's mount, which is private, never gets there.
    """
    try:
        mount = DetachedMount.clone(fd, recursive=True)
    except OSError:
        return os.dup(fd)
    mount.set_attributes(set=attributes, propagation=propagation, recursive=True)
    return mount.fd
