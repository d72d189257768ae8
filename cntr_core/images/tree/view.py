"""A merged tree as rules see it: by path."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence

from ...rules import Found
from ..tar.members import Kind
from .branch import file_mode, file_size
from .contents import ReadContents
from .tree import Directory, File, Name, Tree


class TreeView:
    """The :class:`~cntr_core.rules.ImageView` of a tree and its contents."""

    def __init__(self, tree: Tree, contents: ReadContents) -> None:
        self._tree = tree
        self._contents = contents

    def lookup(self, path: bytes, *, follow: bool = True) -> Found | None:
        try:
            file, links = self._tree.resolve(path, follow=follow)
        except OSError:
            return None
        return _found(file, file.path, links)

    def read(self, path: bytes, limit: int | None = None) -> bytes:
        file = self._regular(path)
        return self._contents.read(file, file.entry.size if limit is None else limit, 0)

    def read_at(self, path: bytes, offset: int, size: int) -> bytes:
        return self._contents.read(self._regular(path), size, offset)

    def _regular(self, path: bytes) -> File:
        try:
            file = self._tree.resolve(path).file
        except OSError as error:
            raise FileNotFoundError(error.errno, error.strerror, os.fsdecode(path)) from error
        if file.entry.kind is not Kind.FILE:
            raise FileNotFoundError(f"{os.fsdecode(path)} is not a regular file")
        return file

    def list(self, path: bytes) -> Sequence[bytes]:
        try:
            directory = self._tree.resolve(path).file
        except OSError:
            return ()
        return sorted(directory.children) if isinstance(directory, Directory) else ()

    def walk(self, below: bytes = b"/") -> Iterator[Found]:
        try:
            directory = self._tree.resolve(below).file
        except OSError:
            return
        if isinstance(directory, Directory):
            yield from (_found(name.file, name.path, ()) for name in self._tree.walk(directory))


def _found(file: File, path: bytes, links: tuple[Name, ...]) -> Found:
    mode = file_mode(file.entry)
    return Found(
        path=path,
        kind=stat.S_IFMT(mode),
        mode=mode,
        size=file_size(file.entry),
        target=file.entry.link if file.entry.kind is Kind.SYMLINK else b"",
        links=tuple(name.path for name in links),
        layer=file.layer,
    )
