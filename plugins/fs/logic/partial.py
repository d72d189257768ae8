"""A directory of which a part is shown, read-only: all other names are absent."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence

from cntr_core.filesystem import DirEntry, Part

from .descriptors import FileNode
from .directory import DirectoryBranch


class PartialBranch(DirectoryBranch):
    """What `part` shows of the tree below a directory. `fd` is owned by the branch."""

    def __init__(self, fd: int, part: Part) -> None:
        super().__init__(fd, writable=False)
        self.root.part = part

    def lookup(self, parent: FileNode, name: bytes) -> tuple[FileNode, os.stat_result]:
        if parent.part is None:  # all below is shown
            return super().lookup(parent, name)
        part = parent.part.child(name)
        if part is None:
            raise _absent(name)
        node, status = super().lookup(parent, name)
        if not part.admits(status.st_mode):
            raise _absent(name)
        node.part = None if part.whole else part
        return node, status

    def list(self, node: FileNode) -> Sequence[DirEntry]:
        entries = super().list(node)
        return entries if node.part is None else [entry for entry in entries if self._has(node, entry.name)]

    def _has(self, directory: FileNode, name: bytes) -> bool:
        try:
            self.lookup(directory, name)
        except OSError:
            return False
        return True

    def adopt(self, node: FileNode, again: FileNode) -> None:
        node.part = again.part
        super().adopt(node, again)


def _absent(name: bytes) -> OSError:
    return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
