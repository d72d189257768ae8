"""Which of a directory's files are watched for changes by others: whole filesystems, or directories one by one."""

from __future__ import annotations

import os
from collections.abc import Hashable

from cntr_core.filesystem import Watched, Watcher

from .descriptors import FileNode, stale

_KEY_OF_FILE = 2  # device and inode; that of a directory has its mount as well


class Marks:
    """What was met, and how it is watched. A directory is watched as long as the node is known that it was added for:
    looking it up again makes others."""

    def __init__(self, device: int) -> None:
        self._watcher: Watcher | None = None
        self._met = {device}
        self._watched: dict[int, Watched] = {}
        self._directories: dict[tuple[int, ...], tuple[FileNode, Hashable]] = {}

    def start(self, watcher: Watcher, root: FileNode) -> None:
        """Watch what is met from now on."""
        self._watcher = watcher
        self._watched[root.key[0]] = watcher.add(root.fd, b".")
        self.add(root, root.fd, b".")

    def meet(self, device: int, directory: int, name: bytes) -> None:
        """`name` in `directory` (a descriptor) lies on this device."""
        if device not in self._met:
            self._met.add(device)
            if self._watcher is not None:
                self._watched[device] = self._watcher.add(directory, name)

    def add(self, node: FileNode, directory: int, name: bytes) -> os.stat_result | None:
        """Watch a directory, where it needs that; what it is since then.

        :raises OSError: ESTALE, it was replaced just now.
        """
        key = node.key
        if self._watcher is None or self._watched.get(key[0]) is not Watched.BY_NAME or key in self._directories:
            return None
        added = self._watcher.add_directory(directory, name)
        if added is None:
            return None
        mark, status = added
        if (status.st_dev, status.st_ino) != key[:_KEY_OF_FILE]:
            self._watcher.remove_directory(mark)
            raise stale(node)
        self._directories[key] = node, mark
        return status

    def adopt(self, node: FileNode, again: FileNode) -> None:
        """`again` goes, and `node`, which is the same directory, stays."""
        owner, mark = self._directories.get(again.key, (None, None))
        if owner is again:
            self._directories[node.key] = node, mark

    def forget(self, node: FileNode) -> None:
        """The node goes."""
        if self._watcher is not None and self._directories.get(node.key, (None,))[0] is node:
            self._watcher.remove_directory(self._directories.pop(node.key)[1])

    def of(self, node: FileNode) -> Watched:
        """See :meth:`cntr_core.filesystem.Branch.watched`."""
        watched = self._watched.get(node.key[0], Watched.NOT)
        if watched is not Watched.BY_NAME:
            return watched
        directory = node.parent if len(node.key) == _KEY_OF_FILE else node
        return watched if directory is not None and directory.key in self._directories else Watched.NOT
