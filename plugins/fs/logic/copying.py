"""A union that copies what is below to its topmost branch before it is changed.

As overlayfs does, with these differences: an inode number stays the same when a file is copied up, hard links to a file
below stay links to each other, and a file opened for reading before the copy sees what is written after it.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Hashable, Iterable, Sequence
from typing import Any

from cntr_core.filesystem import Branch, Changes, OpenFile, Stat

from .copyup import copy_directory, copy_file
from .origins import Origins
from .status import without_links
from .syscalls import SETTING_FLAGS
from .union import Layers, UnionBranch, UnionNode
from .whiteouts import is_private


class _LowerFile(OpenFile):
    """A file of a lower branch, open for reading: the copy takes its place as soon as there is one."""

    def __init__(self, union: CopyingUnion, node: UnionNode, flags: int) -> None:
        self._union = union
        self._node = node
        self._flags = flags
        self._file = union.open_layer(node, flags)
        self._copied = False

    def _current(self) -> OpenFile:
        if self._node.is_top and not self._copied:
            self._file.close()
            self._file = self._union.open_layer(self._node, self._flags)
            self._copied = True
        return self._file

    @property
    def descriptor(self) -> int | None:
        return self._current().descriptor

    def read(self, size: int, offset: int) -> bytes:
        return self._current().read(size, offset)

    def close(self) -> None:
        self._file.close()


class CopyingUnion(UnionBranch):
    """A union whose first branch is writable, as far as files that exist are concerned."""

    writable = True

    def __init__(self, branches: Sequence[Branch[Any]]) -> None:
        super().__init__(branches)
        self._top = branches[0]
        self._origins = Origins(self._top)

    # Identity

    def _identity(self, layers: Layers) -> tuple[Hashable, int]:
        index, node = layers[0]
        origin = None if index else self._origins.of(node)
        return super()._identity(layers) if origin is None else (origin.key, origin.ino)

    def keys(self, device: int, number: int, is_directory: bool) -> Iterable[Hashable]:
        yield from super().keys(device, number, is_directory)
        for inner in self._top.keys(device, number, is_directory):
            origin = self._origins.key(inner)
            if origin is not None:
                yield origin

    def _ino(self, index: int, ino: int) -> int:
        known = None if index else self._origins.ino(ino)
        return super()._ino(index, ino) if known is None else known

    def lookup(self, parent: UnionNode, name: bytes) -> tuple[UnionNode, Stat]:
        node, status = super().lookup(parent, name)
        copy = None if node.is_top else self._origins.copy(node.key)
        if copy is None:
            return node, status
        # Another name of a file that was copied up: it becomes a name of the copy.
        inner, status = self._top.link(copy, self._top_directory(parent), name)
        node.layers = ((0, inner),)
        return node, status

    def stat(self, node: UnionNode) -> Stat:
        status = super().stat(node)
        return without_links(status) if node.removed else status

    # Copying up

    def _top_directory(self, node: UnionNode) -> Any:
        """The directory on the topmost branch, made if need be, and those above: thousands, so not by recursion."""
        missing: dict[UnionNode, None] = {}
        above: UnionNode | None = node
        while above is not None and not above.is_top and above not in missing:
            missing[above] = None
            above = above.parent
        for each in reversed(missing):
            self._copy_directory(each)
        return node.inner

    def _copy_directory(self, node: UnionNode) -> None:
        """Copy an empty directory up, whose parent is on top."""
        source, status = self._where(node), super().stat(node)
        inner = self._copied(node, lambda parent, name: copy_directory(source, status, (self._top, parent), name))
        node.layers = ((0, inner), *node.layers)
        self._origins.remember(node, inner)

    def _top_file(self, node: UnionNode, size: int | None = None) -> Any:
        """The file on the topmost branch, copied if need be, at most `size` bytes of it."""
        if node.is_top:
            return node.inner
        source, status = self._where(node), super().stat(node)
        if node.removed:
            inner = copy_file(source, status, (self._top, self._top.root), None, size)
        else:
            inner = self._copied(node, lambda parent, name: copy_file(source, status, (self._top, parent), name, size))
            self._origins.remember(node, inner, more_names=status.st_nlink > 1)
        node.removed = False
        source[0].forget(source[1])
        node.layers = ((0, inner),)
        return inner

    def _copied(self, node: UnionNode, copy: Any) -> Any:
        """Run `copy` into the node's directory, whose times are not to tell of it."""
        if node.parent is None or node.removed:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), node.name)
        parent = self._top_directory(node.parent)
        before = self._top.stat(parent)
        inner = copy(parent, node.name)
        self._top.setattr(parent, Changes(atime_ns=before.st_atime_ns, mtime_ns=before.st_mtime_ns))
        return inner

    def _changed(self, node: UnionNode, size: int | None = None) -> Any:
        """The node on the topmost branch, whatever it is."""
        if node.is_top:
            return node.inner
        if stat.S_ISDIR(super().stat(node).st_mode):
            return self._top_directory(node)
        return self._top_file(node, size)

    # Contents

    def open(self, node: UnionNode, flags: int) -> OpenFile:
        if flags & os.O_ACCMODE != os.O_RDONLY:
            self._top_file(node)
        return self.open_layer(node, flags) if node.is_top else _LowerFile(self, node, flags)

    def open_layer(self, node: UnionNode, flags: int) -> OpenFile:
        """Open the file where it is now."""
        return super().open(node, flags)

    def backing(self, node: UnionNode, flags: int) -> int | None:
        if flags & os.O_ACCMODE != os.O_RDONLY:
            self._top_file(node)
        # What is below may be copied up while it is open.
        return super().backing(node, flags) if node.is_top else None

    def ioctl(self, node: UnionNode, command: int, argument: bytes) -> bytes:
        if command in SETTING_FLAGS:
            self._changed(node)
        return super().ioctl(node, command, argument)

    def syncdir(self, node: UnionNode, data_only: bool) -> None:
        if node.is_top:
            self._top.syncdir(node.inner, data_only)

    # Attributes

    def setattr(self, node: UnionNode, changes: Changes) -> Stat:
        self._top.setattr(self._changed(node, changes.size), changes)
        return self.stat(node)

    def setxattr(self, node: UnionNode, name: bytes, value: bytes, flags: int) -> None:
        if is_private(name):
            raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP), name)
        self._top.setxattr(self._changed(node), name, value, flags)

    def removexattr(self, node: UnionNode, name: bytes) -> None:
        if is_private(name):
            raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP), name)
        self._top.removexattr(self._changed(node), name)
