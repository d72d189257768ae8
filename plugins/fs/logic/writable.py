"""A union whose names can be changed: what goes leaves a whiteout, what comes replaces one.

Directories that are on a lower branch are not renamed (EXDEV, so that mv(1) copies), as in overlayfs.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from cntr_core.filesystem import OpenFile, Stat

from .copying import CopyingUnion
from .syscalls import RENAME_EXCHANGE, RENAME_NOREPLACE, RENAME_WHITEOUT
from .union import Layers, UnionEntry, UnionNode
from .whiteouts import listed, make_opaque, make_whiteout, names_whiteout

_Place = tuple[UnionNode, bytes]
"""A directory, and a name in it."""


class WritableUnion(CopyingUnion):
    """A union whose first branch takes all changes."""

    # New names

    def _vacate(self, parent: UnionNode, name: bytes) -> tuple[Any, bool]:
        """Make room for a new name: the directory on top, and whether a whiteout had to go for it."""
        if self._find(parent, name) is not None:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), name)
        directory = self._top_directory(parent)
        covered = names_whiteout(self._top, directory, name)
        if covered:
            self._top.unlink(directory, name, None)
        return directory, covered

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
        return self._node(UnionEntry(((0, inner),), status), parent, name), status

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
            self._top.unlink(parent.inner, name, _inner(victim))
            self._forget_origin(found)
        self._gone(victim, found)
        self._cover(parent, name)

    def rmdir(self, parent: UnionNode, name: bytes, victim: UnionNode | None) -> None:
        found = self._existing(parent, name)
        with self._using(victim, found, parent, name) as directory:
            if self.list(directory):
                if directory.is_top and self._top.list(directory.inner):
                    self._top.rmdir(parent.inner, name, None)  # refuses it, perhaps for a reason that comes before
                raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), name)
            if directory.is_top:
                self._clear(directory)
                self._top.rmdir(parent.inner, name, _inner(victim))
                self._forget_origin(found)
        self._gone(victim, found)
        self._cover(parent, name)

    @contextmanager
    def _using(self, kept: UnionNode | None, found: UnionEntry, parent: UnionNode, name: bytes) -> Iterator[UnionNode]:
        """The node that is kept for what was found, or one for the meantime."""
        node = kept or self._node(found, parent, name)
        try:
            yield node
        finally:
            if kept is None:
                self.forget(node)

    def _existing(self, parent: UnionNode, name: bytes) -> UnionEntry:
        found = self._find(parent, name)
        if found is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
        return found

    def _clear(self, directory: UnionNode) -> None:
        """Remove the whiteouts from a directory on top that has nothing else."""
        inner = directory.inner
        for entry, _ in listed(self._top, inner):
            self._top.unlink(inner, entry.name, None)

    def _cover(self, parent: UnionNode, name: bytes) -> None:
        """The name is gone from the top: hide what is below it."""
        if self._find(parent, name, below_top=True) is not None:
            make_whiteout(self._top, self._top_directory(parent), name)

    def _gone(self, victim: UnionNode | None, found: UnionEntry) -> None:
        """The name of `victim`, which may be open, is gone."""
        if victim is None:
            return
        if stat.S_ISDIR(found.status.st_mode):
            # A process may still be in it, and is not to see what the whiteouts hid.
            for index, inner in victim.below:
                self._branches[index].forget(inner)
            self._forget_layers(victim)
            victim.removed, victim.below = True, ()
        elif not victim.is_top and found.status.st_nlink == 1:
            victim.removed = True

    def _forget_origin(self, found: UnionEntry) -> None:
        """A name of the file is gone; if it was the last, the inode number on top may be used again."""
        index, inner = found.layers[0]
        if not index and (found.status.st_nlink == 1 or stat.S_ISDIR(found.status.st_mode)):
            self._origins.forget(inner.ino)

    # Renaming

    def rename(self, old: _Place, new: _Place, flags: int, moved: UnionNode | None, replaced: UnionNode | None) -> None:
        source, target = self._existing(*old), self._find(*new)
        self._check_rename(source, target, flags)
        if target is not None and _same(source, target):
            return  # two names of one file: rename(2) does nothing
        with ExitStack() as stack:
            node = stack.enter_context(self._using(moved, source, *old))
            other = None if target is None else stack.enter_context(self._using(replaced, target, *new))
            self._move((node, *old), (other, *new), flags)
        if flags & RENAME_EXCHANGE:
            return
        if target is not None:
            self._gone(replaced, target)
            self._forget_origin(target)
        self._cover(*old)

    def _move(
        self,
        old: tuple[UnionNode, UnionNode, bytes],
        new: tuple[UnionNode | None, UnionNode, bytes],
        flags: int,
    ) -> None:
        """Rename on top, where everything concerned is copied first; each place is a file, its directory and name."""
        (node, *_), (other, *_) = old, new
        exchanged = other if flags & RENAME_EXCHANGE else None
        self._changed(node)
        if exchanged is not None:
            self._changed(exchanged)
        self._prepare_target(node, new[1:], other, flags)
        if exchanged is not None:
            self._prepare_target(exchanged, old[1:], node, flags)
        places = (self._top_directory(old[1]), old[2]), (self._top_directory(new[1]), new[2])
        self._top.rename(*places, flags & RENAME_EXCHANGE, _inner(node), _inner(other))
        node.parent, node.name = new[1:]
        if exchanged is not None:
            exchanged.parent, exchanged.name = old[1:]

    def _check_rename(self, source: UnionEntry, target: UnionEntry | None, flags: int) -> None:
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

    def _prepare_target(self, node: UnionNode, new: _Place, other: UnionNode | None, flags: int) -> None:
        """Make the new name fit to take `node`: nothing on top that is in the way, nothing below that shines
        through."""
        directory = stat.S_ISDIR(super().stat(node).st_mode)
        top = self._top_directory(new[0])
        if other is None:
            if directory and names_whiteout(self._top, top, new[1]):
                self._top.unlink(top, new[1], None)  # rename(2) replaces a directory by a directory only
        elif directory and not flags & RENAME_EXCHANGE:
            if self.list(other):
                raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), new[1])
            if other.is_top:
                self._clear(other)
        if directory and self._find(*new, below_top=True) is not None:
            make_opaque(self._top, node.inner)


def _inner(node: UnionNode | None) -> Any:
    """The node on top, for the topmost branch to note what becomes of it."""
    return node.inner if node is not None and node.is_top else None


def _only_on_top(layers: Layers) -> bool:
    return len(layers) == 1 and layers[0][0] == 0


def _same(one: UnionEntry, other: UnionEntry) -> bool:
    (index, node), (other_index, other_node) = one.layers[0], other.layers[0]
    return index == other_index and node.key == other_node.key and not stat.S_ISDIR(one.status.st_mode)
