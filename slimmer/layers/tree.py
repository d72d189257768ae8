"""The merged tree of an image: its layers' members, one upon the other, as docker and containerd unpack them.

Pure: it knows members, and does no I/O. What it makes of them is what :func:`cntr_core.images.unpack` makes on disk.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from types import MappingProxyType
from typing import NamedTuple

from cntr_core.errors import ImageError
from cntr_core.images.members import META, OPAQUE, WHITEOUT, Kind, quoted, split_path

from .index import Entry, LayerIndex

NO_MEMBER = -1
"""The number of a directory that no member describes: it is there for what is in it."""

_MOST_LINKS = 40  # links that path_resolution(7) follows
Parts = tuple[bytes, ...]


class File:
    """One file of the tree: `entry` describes it, the member `number` of layer `layer`. `names` are all its places,
    of which a file with hard links has several, in the order in which they came. `members` are all members that ever
    gave it a name, as (layer, number), also one that is gone."""

    __slots__ = ("entry", "ino", "layer", "members", "names", "number")

    def __init__(self, ino: int, entry: Entry, layer: int, number: int) -> None:
        self.ino = ino
        self.entry = entry
        self.layer = layer
        self.number = number
        self.names: list[Name] = []
        self.members: list[tuple[int, int]] = []

    @property
    def path(self) -> bytes:
        """Its first name's path, from the root with a leading slash; the root's is ``/``."""
        return self.names[0].path if self.names else b"/"


class Directory(File):
    """A directory; the root has no name."""

    __slots__ = ("children",)

    def __init__(self, ino: int, entry: Entry, layer: int, number: int) -> None:
        super().__init__(ino, entry, layer, number)
        self.children: dict[bytes, Name] = {}


class Name:
    """A name of a file in a directory; the member `number` of layer `layer` gave it."""

    __slots__ = ("file", "layer", "name", "number", "parent")

    def __init__(self, parent: Directory, name: bytes, file: File, layer: int, number: int) -> None:
        self.parent = parent
        self.name = name
        self.file = file
        self.layer = layer
        self.number = number

    @property
    def path(self) -> bytes:
        above = self.parent.path
        return above + self.name if above == b"/" else above + b"/" + self.name


class Resolution(NamedTuple):
    """What a path leads to, and the names of the symbolic links on the way."""

    file: File
    links: tuple[Name, ...]


class Tree:
    """The root of an image, and all below it."""

    def __init__(self) -> None:
        self._count = 0
        self.root = self._directory(_implied(), NO_MEMBER)

    def _directory(self, entry: Entry, layer: int, number: int = NO_MEMBER) -> Directory:
        self._count += 1
        return Directory(self._count, entry, layer, number)

    def new_file(self, entry: Entry, layer: int, number: int) -> File:
        """A file, or a directory, that is in no place yet."""
        if entry.kind is Kind.DIRECTORY:
            return self._directory(entry, layer, number)
        self._count += 1
        return File(self._count, entry, layer, number)

    def new_directory(self, layer: int) -> Directory:
        """A directory that no member describes: 0755, root's, of 1970, as in every unpacking."""
        return self._directory(_implied(), layer)

    def resolve(self, path: bytes, *, follow: bool = True) -> Resolution:
        """Where `path` leads, as for a process whose root this is.

        :raises OSError: ENOENT, ENOTDIR, or ELOOP.
        """
        return _Walk(self.root, follow).to(path)

    def walk(self, top: Directory | None = None) -> Iterator[Name]:
        """Every name below `top` (the root), parents first, sorted."""
        pending = [top or self.root]
        while pending:
            directory = pending.pop()
            below = []
            for _, name in sorted(directory.children.items()):
                yield name
                if isinstance(name.file, Directory):
                    below.append(name.file)
            pending += reversed(below)

    def files(self) -> Iterator[File]:
        """Every file once, the root included."""
        yield self.root
        for name in self.walk():
            if name is name.file.names[0]:
                yield name.file


class _Walk:
    """Following a path."""

    def __init__(self, root: Directory, follow: bool) -> None:
        self._root = root
        self._follow = follow
        self._links: list[Name] = []

    def to(self, path: bytes) -> Resolution:
        here: File = self._root
        pending = path.split(b"/")[::-1]
        while pending:
            part = pending.pop()
            if part in (b"", b"."):
                continue
            if not isinstance(here, Directory):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
            if part == b"..":
                here = here.names[0].parent if here.names else here
                continue
            name = here.children.get(part)
            if name is None:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
            if name.file.entry.kind is Kind.SYMLINK and (self._follow or any(pending)):
                here = self._through(name, path, pending, here)
            else:
                here = name.file
        return Resolution(here, tuple(self._links))

    def _through(self, name: Name, path: bytes, pending: list[bytes], here: Directory) -> Directory:
        self._links.append(name)
        if len(self._links) > _MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
        link = name.file.entry.link
        pending += link.split(b"/")[::-1]
        return self._root if link.startswith(b"/") else here


def merge(indexes: Sequence[LayerIndex]) -> Tree:
    """The tree of all layers, the lowest first.

    :raises ImageError: a member cannot be where it wants to be; the message names layer and member.
    """
    tree = Tree()
    for layer, index in enumerate(indexes):
        _Layer(tree, layer).apply(index)
    return tree


class _Layer:
    """Puts one layer's members on the tree."""

    def __init__(self, tree: Tree, layer: int) -> None:
        self._tree = tree
        self._layer = layer
        self._touched: set[tuple[Directory, bytes]] = set()  # what this layer brought, with all its parents
        self._parents: dict[Parts, Directory] = {}

    def apply(self, index: LayerIndex) -> None:
        for number, entry in enumerate(index.entries):
            try:
                parts = split_path(entry.path)
                if not self._whiteout(parts):
                    self._put(parts, entry, number)
            except ImageError as error:
                where = f"layer {self._layer + 1}: member {quoted(entry.path)}"
                raise ImageError(f"{where}: {error.message}", error.hint) from error
            except OSError as error:
                where = f"layer {self._layer + 1}: member {quoted(entry.path)}"
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
                raise ImageError("is a whiteout of no name")
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
        """Remove what this layer did not bring."""
        pending = [directory]
        while pending:
            current = pending.pop()
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


def _implied() -> Entry:
    return Entry(
        kind=Kind.DIRECTORY,
        path=b"",
        mode=0o755,
        uid=0,
        gid=0,
        mtime=0,
        size=0,
        link=b"",
        device=0,
        xattrs=MappingProxyType({}),
        segments=None,
        start=0,
        data=0,
        end=0,
    )
