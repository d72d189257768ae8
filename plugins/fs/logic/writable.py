"""A union whose topmost branch takes the changes: what is below is copied up first, and what goes leaves a whiteout.

As overlayfs does, with these differences: an inode number stays the same when a file is copied up, hard links to a file
below stay links to each other, and a file opened for reading before the copy sees what is written after it. Directories
that are on a lower branch are not renamed (EXDEV, so that mv(1) copies).
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from typing import Any

from cntr_core.filesystem import Branch, Changes, Node, OpenFile, Stat

from .copyup import copy_directory, copy_file
from .origins import Origins
from .status import without_links
from .syscalls import RENAME_EXCHANGE, RENAME_NOREPLACE, RENAME_WHITEOUT
from .union import Found, Layers, UnionBranch, UnionNode
from .whiteouts import is_private, is_whiteout, listed, make_opaque, make_whiteout


class _LowerFile(OpenFile):
    """A file of a lower branch, open for reading: the copy takes its place as soon as there is one."""

    def __init__(self, union: WritableUnion, node: UnionNode, flags: int) -> None:
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


class WritableUnion(UnionBranch):
    """A union whose first branch is writable."""

    writable = True

    def __init__(self, branches: Sequence[Branch[Any]]) -> None:
        super().__init__(branches)
        self._top = branches[0]
        self._origins = Origins(self._top)

    # Identity

    def _identity(self, index: int, node: Node) -> tuple[object, int]:
        origin = None if index else self._origins.of(node)
        return super()._identity(index, node) if origin is None else (origin.key, origin.ino)

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
        node.layers = [(0, inner)]
        return node, status

    def stat(self, node: UnionNode) -> Stat:
        status = super().stat(node)
        return without_links(status) if node.removed else status

    # Copying up

    def _top_directory(self, node: UnionNode) -> Any:
        """The directory on the topmost branch, made if need be."""
        if node.is_top:
            return node.layers[0][1]
        source, status = self._where(node), super().stat(node)
        inner = self._copied(node, lambda parent, name: copy_directory(source, status, (self._top, parent), name))
        node.layers.insert(0, (0, inner))
        self._origins.remember(node, inner)
        return inner

    def _top_file(self, node: UnionNode, size: int | None = None) -> Any:
        """The file on the topmost branch, copied if need be, at most `size` bytes of it."""
        if node.is_top:
            return node.layers[0][1]
        source, status = self._where(node), super().stat(node)
        if node.removed:
            inner = copy_file(source, status, (self._top, self._top.root), None, size)
        else:
            inner = self._copied(node, lambda parent, name: copy_file(source, status, (self._top, parent), name, size))
            self._origins.remember(node, inner, more_names=status.st_nlink > 1)
        node.removed = False
        source[0].forget(source[1])
        node.layers = [(0, inner)]
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
            return node.layers[0][1]
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

    def syncdir(self, node: UnionNode, data_only: bool) -> None:
        if node.is_top:
            self._top.syncdir(node.layers[0][1], data_only)

    # New names

    def _vacate(self, parent: UnionNode, name: bytes) -> tuple[Any, bool]:
        """Make room for a new name: the directory on top, and whether a whiteout had to go for it."""
        if self._find(parent, name) is not None:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), name)
        directory = self._top_directory(parent)
        covered = self._is_white(directory, name)
        if covered:
            self._top.unlink(directory, name, None)
        return directory, covered

    def _is_white(self, directory: Any, name: bytes) -> bool:
        try:
            return is_whiteout(self._top, *self._top.lookup(directory, name))
        except FileNotFoundError:
            return False

    def _made(self, parent: UnionNode, name: bytes, make: Any) -> Any:
        """What `make` returns for the directory on top; the whiteout comes back if it fails."""
        directory, covered = self._vacate(parent, name)
        try:
            return make(directory)
        except OSError:
            if covered:
                make_whiteout(self._top, directory, name)
            raise

    def _own(self, inner: Any, parent: UnionNode, name: bytes, status: Stat) -> tuple[UnionNode, Stat]:
        return self._node(Found([(0, inner)], status), parent, name), status

    def create(self, parent: UnionNode, name: bytes, flags: int, mode: int) -> tuple[UnionNode, Stat, OpenFile]:
        inner, status, file = self._made(parent, name, lambda directory: self._top.create(directory, name, flags, mode))
        return *self._own(inner, parent, name, status), file

    def tmpfile(self, parent: UnionNode, flags: int, mode: int) -> tuple[UnionNode, Stat, OpenFile]:
        inner, status, file = self._top.tmpfile(self._top_directory(parent), flags, mode)
        return *self._own(inner, parent, b"", status), file

    def mknod(self, parent: UnionNode, name: bytes, mode: int, rdev: int) -> tuple[UnionNode, Stat]:
        if stat.S_ISCHR(mode) and not rdev:
            raise OSError(errno.EPERM, os.strerror(errno.EPERM), name)  # it would be a whiteout
        inner, status = self._made(parent, name, lambda directory: self._top.mknod(directory, name, mode, rdev))
        return self._own(inner, parent, name, status)

    def mkdir(self, parent: UnionNode, name: bytes, mode: int) -> tuple[UnionNode, Stat]:
        inner, status = self._made(parent, name, lambda directory: self._top.mkdir(directory, name, mode))
        if self._find(parent, name, below_top=True) is not None:
            make_opaque(self._top, inner)
        return self._own(inner, parent, name, status)

    def symlink(self, parent: UnionNode, name: bytes, target: bytes) -> tuple[UnionNode, Stat]:
        inner, status = self._made(parent, name, lambda directory: self._top.symlink(directory, name, target))
        return self._own(inner, parent, name, status)

    def link(self, node: UnionNode, parent: UnionNode, name: bytes) -> tuple[UnionNode, Stat]:
        file = self._top_file(node)
        inner, status = self._made(parent, name, lambda directory: self._top.link(file, directory, name))
        return self._own(inner, parent, name, status)

    # Names that go

    def unlink(self, parent: UnionNode, name: bytes, victim: UnionNode | None) -> None:
        found = self._existing(parent, name)
        if found.layers[0][0] == 0:
            self._top.unlink(parent.layers[0][1], name, _inner(victim))
            self._forget_origin(found)
        _gone(victim, found)
        self._cover(parent, name)

    def rmdir(self, parent: UnionNode, name: bytes, victim: UnionNode | None) -> None:
        found = self._existing(parent, name)
        directory = self._node(found, parent, name)
        if self.list(directory):
            raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), name)
        if directory.is_top:
            self._clear(directory)
            self._top.rmdir(parent.layers[0][1], name, _inner(victim))
            self._forget_origin(found)
        _gone(victim, found)
        self._cover(parent, name)

    def _existing(self, parent: UnionNode, name: bytes) -> Found:
        found = self._find(parent, name)
        if found is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
        return found

    def _clear(self, directory: UnionNode) -> None:
        """Remove the whiteouts from a directory on top that has nothing else."""
        inner = directory.layers[0][1]
        for entry, _ in listed(self._top, inner):
            self._top.unlink(inner, entry.name, None)

    def _cover(self, parent: UnionNode, name: bytes) -> None:
        """The name is gone from the top: hide what is below it."""
        if self._find(parent, name, below_top=True) is not None:
            make_whiteout(self._top, self._top_directory(parent), name)

    def _forget_origin(self, found: Found) -> None:
        """A name of the file is gone; if it was the last, the inode number on top may be used again."""
        index, inner = found.layers[0]
        if not index and (found.status.st_nlink == 1 or stat.S_ISDIR(found.status.st_mode)):
            self._origins.forget(inner.ino)

    # Renaming

    def rename(
        self,
        old: tuple[UnionNode, bytes],
        new: tuple[UnionNode, bytes],
        flags: int,
        moved: UnionNode | None,
        replaced: UnionNode | None,
    ) -> None:
        source, target = self._existing(*old), self._find(*new)
        self._check_rename(source, target, flags)
        if target is not None and _same(source, target):
            return  # two names of one file: rename(2) does nothing
        node = moved or self._node(source, *old)
        other = None if target is None else (replaced or self._node(target, *new))
        self._changed(node)
        if flags & RENAME_EXCHANGE and other is not None:
            self._changed(other)
        self._prepare_target(node, new, other, flags)
        if flags & RENAME_EXCHANGE and other is not None:
            self._prepare_target(other, old, node, flags)
        places = (self._top_directory(old[0]), old[1]), (self._top_directory(new[0]), new[1])
        self._top.rename(*places, flags & RENAME_EXCHANGE, _inner(moved), _inner(replaced))
        node.parent, node.name = new
        if flags & RENAME_EXCHANGE and other is not None:
            other.parent, other.name = old
            return
        if target is not None:
            _gone(replaced, target)
            self._forget_origin(target)
        self._cover(*old)

    def _check_rename(self, source: Found, target: Found | None, flags: int) -> None:
        if flags & RENAME_WHITEOUT:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        if flags & RENAME_NOREPLACE and target is not None:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        if flags & RENAME_EXCHANGE and target is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        moved = [source, target] if flags & RENAME_EXCHANGE else [source]
        for found in moved:
            if found is not None and stat.S_ISDIR(found.status.st_mode) and not _only_on_top(found.layers):
                raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    def _prepare_target(
        self, node: UnionNode, new: tuple[UnionNode, bytes], other: UnionNode | None, flags: int
    ) -> None:
        """Make the new name fit to take `node`: nothing on top that is in the way, nothing below that shines
        through."""
        directory = stat.S_ISDIR(super().stat(node).st_mode)
        top = self._top_directory(new[0])
        if other is None:
            if directory and self._is_white(top, new[1]):
                self._top.unlink(top, new[1], None)  # rename(2) replaces a directory by a directory only
        elif directory and not flags & RENAME_EXCHANGE:
            if self.list(other):
                raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), new[1])
            if other.is_top:
                self._clear(other)
        if directory and self._find(*new, below_top=True) is not None:
            make_opaque(self._top, node.layers[0][1])

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


def _inner(node: UnionNode | None) -> Any:
    """The node on top of a file that is kept, for the topmost branch to keep."""
    return node.layers[0][1] if node is not None and node.is_top else None


def _gone(victim: UnionNode | None, found: Found) -> None:
    """The name of `victim`, which may be open, is gone."""
    if victim is None:
        return
    if stat.S_ISDIR(found.status.st_mode):
        # A process may still be in it, and is not to see what the whiteouts hid.
        victim.removed, victim.layers = True, victim.layers[:1]
    elif not victim.is_top and found.status.st_nlink == 1:
        victim.removed = True


def _only_on_top(layers: Layers) -> bool:
    return len(layers) == 1 and layers[0][0] == 0


def _same(one: Found, other: Found) -> bool:
    (index, node), (other_index, other_node) = one.layers[0], other.layers[0]
    return index == other_index and node.key == other_node.key and not stat.S_ISDIR(one.status.st_mode)
