"""Merging: the members of an image's layers become a tree, one layer upon the other, as docker unpacks them.

Pure: it knows members, and does no I/O. Everything that shows or writes an image does it from this tree.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from types import MappingProxyType

from ...errors import ImageError
from ..tar.index import Entry, LayerIndex
from ..tar.members import META, OPAQUE, WHITEOUT, Kind, quoted, split_path
from .tree import NO_MEMBER, Directory, File, Name, Parts, Tree


def merge(indexes: Sequence[LayerIndex], titles: Sequence[str] = ()) -> Tree:
    """The tree of all layers, the lowest first; `titles` name them in errors.

    :raises ImageError: a member cannot be where it wants to be; the message names layer and member.
    """
    tree = Tree()
    for layer, index in enumerate(indexes):
        _LayerMerge(tree, layer, titles[layer] if titles else f"layer {layer + 1}").apply(index)
    return tree


class _LayerMerge:
    """Puts one layer's members on the tree."""

    def __init__(self, tree: Tree, layer: int, title: str) -> None:
        self._tree = tree
        self._layer = layer
        self._title = title
        self._touched: set[tuple[Directory, bytes]] = set()  # what this layer brought, with all its parents
        self._parents: dict[Parts, Directory] = {}
        self._cleared: set[Directory] = set()

    def apply(self, index: LayerIndex) -> None:
        for number, entry in enumerate(index.entries):
            try:
                parts = split_path(entry.path)
                if not self._whiteout(parts):
                    self._put(parts, entry, number)
            except (ImageError, OSError) as error:
                where = f"{self._title}: member {quoted(entry.path)}"
                if isinstance(error, ImageError):
                    raise ImageError(f"{where}: {error.message}", error.hint) from error
                raise ImageError(f"{where}: {error.strerror}") from error

    def _whiteout(self, parts: Parts) -> bool:
        """Whether the member is a whiteout, which then was applied, or AUFS's litter."""
        if any(part.startswith(META) for part in parts[:-1]):
            return True
        name = parts[-1] if parts else b""
        if name == OPAQUE:
            if (directory := self._existing(parts[:-1])) is not None:
                self._clear(directory)
        elif name.startswith(WHITEOUT) and not name.startswith(META):
            hidden = name.removeprefix(WHITEOUT)
            if hidden in (b"", b".", b".."):
                raise ImageError("is a whiteout without a name")
            if (directory := self._existing(parts[:-1])) is not None:
                self._hide(directory, hidden)
        return name.startswith(WHITEOUT)

    def _existing(self, parts: Parts) -> Directory | None:
        try:
            found = self._tree.resolve(b"/".join(parts)).file
        except (FileNotFoundError, NotADirectoryError):
            return None
        return found if isinstance(found, Directory) else None

    def _hide(self, directory: Directory, name: bytes) -> None:
        there = directory.children.get(name)
        if there is None:
            return
        if (directory, name) not in self._touched:
            self._remove(there)
        elif isinstance(there.file, Directory):
            self._clear(there.file)

    def _clear(self, directory: Directory) -> None:
        """Remove what this layer did not bring. What it brings later stays, so once is enough."""
        pending = [directory]
        while pending:
            current = pending.pop()
            if current in self._cleared:
                continue
            self._cleared.add(current)
            for name in list(current.children.values()):
                if (current, name.name) not in self._touched:
                    self._remove(name)
                elif isinstance(name.file, Directory):
                    pending.append(name.file)

    def _put(self, parts: Parts, entry: Entry, number: int) -> None:
        if not parts:
            if entry.kind is not Kind.DIRECTORY:
                raise ImageError(f"the root is a {entry.kind.value}")
            self._describe(self._tree.root, entry, number)
            return
        parent = self._parent(parts[:-1])
        there = parent.children.get(parts[-1])
        if entry.kind is Kind.HARD_LINK:
            parent = self._link(parent, parts, there, entry, number)
        elif entry.kind is Kind.DIRECTORY and there is not None and isinstance(there.file, Directory):
            self._describe(there.file, entry, number)
        else:
            parent = self._make_room(parent, parts, there)
            self._place(parent, parts[-1], self._tree.new_file(entry, self._layer, number), number)
        self._touch(parent, parts[-1])

    def _describe(self, directory: Directory, entry: Entry, number: int) -> None:
        """A directory that is there keeps its children, and the attributes that the new member does not have."""
        if directory.entry.xattrs:
            entry = entry._replace(xattrs=MappingProxyType({**directory.entry.xattrs, **entry.xattrs}))
        directory.entry, directory.layer, directory.number = entry, self._layer, number
        for name in directory.names:
            name.layer, name.number = self._layer, number

    def _make_room(self, parent: Directory, parts: Parts, there: Name | None) -> Directory:
        """Remove what is in a member's way; gives its parent, whose path may have led through what is gone."""
        if there is None:
            return parent
        self._remove(there)
        return self._parent(parts[:-1])

    def _place(self, parent: Directory, name: bytes, file: File, number: int) -> None:
        placed = Name(parent, name, file, self._layer, number)
        parent.children[name] = placed
        file.names.append(placed)
        file.members.append((self._layer, number))

    def _link(self, parent: Directory, path: Parts, there: Name | None, entry: Entry, number: int) -> Directory:
        """A second name for what is there already; the metadata belong to the file, not to the name."""
        parts = split_path(entry.link)
        if not parts:
            raise ImageError("links to the root")
        missing = f"is a hard link to {quoted(entry.link)}, which is not there"
        try:
            file = self._tree.resolve(b"/".join(parts), follow=False).file
        except (FileNotFoundError, NotADirectoryError) as error:
            raise ImageError(missing) from error
        if isinstance(file, Directory):
            raise ImageError(f"is a hard link to the directory {quoted(entry.link)}")
        if there is not None and there.file is file:
            file.members.append((self._layer, number))
            return parent
        if there is not None and isinstance(there.file, Directory) and _is_below(file, there.file):
            raise ImageError(missing)  # it would go with what is in its way
        parent = self._make_room(parent, path, there)
        self._place(parent, path[-1], file, number)
        return parent

    def _parent(self, parts: Parts) -> Directory:
        """The directory at `parts`, made with all its parents where it is missing."""
        known = self._parents.get(parts)
        if known is None:
            known = self._parents[parts] = self._make(parts)
        return known

    def _make(self, parts: Parts) -> Directory:
        here = self._tree.root
        for depth in range(1, len(parts) + 1):
            try:
                found = self._tree.resolve(b"/".join(parts[:depth])).file
            except FileNotFoundError:
                name = parts[depth - 1]
                if name in here.children:
                    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), name) from None  # a dangling link
                found = self._tree.new_directory(self._layer)
                self._place(here, name, found, NO_MEMBER)
            if not isinstance(found, Directory):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
            here = found
        return here

    def _touch(self, parent: Directory, name: bytes) -> None:
        while (parent, name) not in self._touched:
            self._touched.add((parent, name))
            if not parent.names:
                return
            parent, name = parent.names[0].parent, parent.names[0].name

    def _remove(self, name: Name) -> None:
        """Take a name away, with all that is below it; a file goes with its last name."""
        del name.parent.children[name.name]
        name.file.names.remove(name)
        if name.file.entry.kind is not Kind.FILE:
            self._parents.clear()  # a path of theirs may have led through what is gone
        if isinstance(name.file, Directory):
            for below in self._tree.walk(name.file):
                below.file.names.remove(below)


def _is_below(file: File, directory: Directory) -> bool:
    """Whether all names of the file go when the directory goes."""
    return all(_has_above(name, directory) for name in file.names)


def _has_above(name: Name, directory: Directory) -> bool:
    above = name.parent
    while above.names:
        if above is directory:
            return True
        above = above.names[0].parent
    return False
