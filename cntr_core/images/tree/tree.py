"""The merged tree of an image: files, their names, and how paths lead to them. Pure: it does no I/O."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from typing import NamedTuple

from ..tar.index import Entry
from ..tar.members import Kind

NO_MEMBER = -1
"""The number of a directory that no member describes: it is there for what is in it."""

_IMPLIED = Entry(Kind.DIRECTORY, b"", 0o755)
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
        parts, above = [self.name], self.parent
        while above.names:  # the root has none
            parts.append(above.names[0].name)
            above = above.names[0].parent
        return b"/" + b"/".join(reversed(parts))


class Resolution(NamedTuple):
    """What a path leads to, and the names of the symbolic links on the way."""

    file: File
    links: tuple[Name, ...]


class Tree:
    """The root of an image, and all below it."""

    def __init__(self) -> None:
        self._count = 0
        self.root = self._directory(_IMPLIED, NO_MEMBER)

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
        return self._directory(_IMPLIED, layer)

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
