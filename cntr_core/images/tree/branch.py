"""An image's layers as a branch for a filesystem: served from their tars, never unpacked."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Collection, Mapping, Sequence

from ...filesystem import Branch, DirEntry, Node, OpenFile, Stat, Status, Watched
from ..tar.index import Entry
from ..tar.members import FOREIGN_XATTRS, Kind
from .contents import Contents
from .tree import Directory, File, Tree

_BLOCK = 4096
_FOREIGN = tuple(map(os.fsencode, FOREIGN_XATTRS))
_KINDS = {
    Kind.FILE: stat.S_IFREG,
    Kind.DIRECTORY: stat.S_IFDIR,
    Kind.SYMLINK: stat.S_IFLNK,
    Kind.CHARACTER: stat.S_IFCHR,
    Kind.BLOCK: stat.S_IFBLK,
    Kind.FIFO: stat.S_IFIFO,
}


def file_mode(entry: Entry) -> int:
    """The whole mode, type and permissions, as stat(2) tells it; a symbolic link's permissions are always 0777."""
    return _KINDS[entry.kind] | (0o777 if entry.kind is Kind.SYMLINK else entry.mode)


def file_size(entry: Entry) -> int:
    """The size that stat(2) tells: of a symbolic link that of its text."""
    return len(entry.link) if entry.kind is Kind.SYMLINK else entry.size if entry.kind is Kind.FILE else 0


def file_xattrs(entry: Entry) -> Mapping[bytes, bytes]:
    """The extended attributes that are content."""
    return {name: value for name, value in entry.xattrs.items() if not name.startswith(_FOREIGN)}


class LayerNode(Node):
    """A file of the tree, under one of its names."""

    __slots__ = ("file",)

    def __init__(self, file: File, parent: LayerNode | None, name: bytes) -> None:
        super().__init__(file.ino, file.ino, parent, name)
        self.file = file


class LayerBranch(Branch[LayerNode]):
    """The merged tree of an image's layers, for reading only."""

    def __init__(self, tree: Tree, contents: Contents) -> None:
        self._contents = contents
        self._root = LayerNode(tree.root, None, b"")
        self._statuses: dict[int, Status] = {}

    @property
    def root(self) -> LayerNode:
        return self._root

    def descriptors(self) -> Collection[int]:
        return {tar.fd for tar in self._contents.tars}

    def watched(self, node: LayerNode) -> Watched:  # noqa: ARG002
        return Watched.WHOLLY  # for nobody changes a layer

    def lookup(self, parent: LayerNode, name: bytes) -> tuple[LayerNode, Stat]:
        directory = parent.file
        if not isinstance(directory, Directory):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), name)
        found = directory.children.get(name)
        if found is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
        node = LayerNode(found.file, parent, name)
        return node, self.stat(node)

    def stat(self, node: LayerNode) -> Stat:
        file = node.file
        status = self._statuses.get(file.ino)
        if status is None:
            status = self._statuses[file.ino] = _status(file)
        return status

    def readlink(self, node: LayerNode) -> bytes:
        if node.file.entry.kind is not Kind.SYMLINK:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), node.name)
        return node.file.entry.link

    def list(self, node: LayerNode) -> Sequence[DirEntry]:
        if not isinstance(node.file, Directory):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), node.name)
        return [
            DirEntry(name, found.file.ino, _KINDS[found.file.entry.kind]) for name, found in node.file.children.items()
        ]

    def open(self, node: LayerNode, flags: int) -> OpenFile:  # noqa: ARG002 - there is one way to open these
        return _OpenLayerFile(self._contents, node.file)

    def getxattr(self, node: LayerNode, name: bytes) -> bytes:
        value = node.file.entry.xattrs.get(name)
        if value is None or name.startswith(_FOREIGN):
            raise OSError(errno.ENODATA, os.strerror(errno.ENODATA), name)
        return value

    def listxattr(self, node: LayerNode) -> Sequence[bytes]:
        return tuple(file_xattrs(node.file.entry))


class _OpenLayerFile(OpenFile):
    def __init__(self, contents: Contents, file: File) -> None:
        self._contents = contents
        self._file = file

    def read(self, size: int, offset: int) -> bytes:
        return self._contents.read(self._file, size, offset)

    def close(self) -> None:
        pass


def _status(file: File) -> Status:
    entry = file.entry
    size = file_size(entry)
    stored = size if entry.segments is None else sum(length for _, length in entry.segments)
    return Status(
        st_mode=file_mode(entry),
        st_nlink=_links(file),
        st_uid=entry.uid,
        st_gid=entry.gid,
        st_rdev=entry.device,
        st_size=size,
        st_blocks=-(-stored // _BLOCK) * (_BLOCK // 512) if entry.kind is Kind.FILE else 0,
        st_blksize=_BLOCK,
        st_atime_ns=entry.mtime,
        st_mtime_ns=entry.mtime,
        st_ctime_ns=entry.mtime,
    )


def _links(file: File) -> int:
    if not isinstance(file, Directory):
        return len(file.names)
    return 2 + sum(isinstance(name.file, Directory) for name in file.children.values())
