"""Several branches merged into one, the topmost first, as overlayfs merges them."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Collection, Hashable, Iterable, Sequence
from typing import Any, NamedTuple

from cntr_core.filesystem import Branch, DirEntry, Node, OpenFile, Stat, Watched, Watcher

from .numbers import InodeNumbers
from .whiteouts import is_opaque, is_private, is_whiteout, listed

Layers = tuple[tuple[int, Any], ...]
"""Where a file is: the index of a branch, and the branch's node; the topmost first."""


class UnionNode(Node):
    """A file of the union: a directory may be on several branches, everything else is on one.

    Of the topmost the branch's `index` and its node `inner` are kept, and what is `below`: two tuples for each of a
    million files would take a sixth of their memory.
    """

    __slots__ = ("below", "index", "inner", "removed")
    parent: UnionNode | None

    def __init__(self, key: object, ino: int, parent: UnionNode | None, name: bytes, layers: Layers) -> None:
        super().__init__(key, ino, parent, name)
        self.layers = layers
        self.removed = False

    @property
    def layers(self) -> Layers:
        return ((self.index, self.inner), *self.below)

    @layers.setter
    def layers(self, layers: Layers) -> None:
        self.index, self.inner = layers[0]
        self.below = layers[1:]

    @property
    def is_top(self) -> bool:
        return self.index == 0


class UnionEntry(NamedTuple):
    """What a name stands for."""

    layers: Layers
    status: Stat


class UnionBranch(Branch[UnionNode]):
    """A union that is only read."""

    def __init__(self, branches: Sequence[Branch[Any]]) -> None:
        self._branches = branches
        self._numbers = InodeNumbers()
        self._merged: dict[Hashable, UnionNode] = {}
        self._last = len(branches) - 1
        layers = tuple((index, branch.root) for index, branch in enumerate(branches))
        top = branches[0].root
        self._root = UnionNode(self._key(layers), self._numbers.number(0, top.ino), None, b"", layers)
        self._note_layers(self._root)

    @property
    def root(self) -> UnionNode:
        return self._root

    def descriptors(self) -> Collection[int]:
        return [fd for branch in self._branches for fd in branch.descriptors()]

    def lookup(self, parent: UnionNode, name: bytes) -> tuple[UnionNode, Stat]:
        found = self._find(parent, name)
        if found is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
        return self._node(found, parent, name), found.status

    def _find(self, parent: UnionNode, name: bytes, *, below_top: bool = False) -> UnionEntry | None:
        """What `name` is; with `below_top`, what it would be without the topmost branch."""
        layers: list[tuple[int, Any]] = []
        first: Stat | None = None
        for index, directory in parent.layers:
            if below_top and not index:
                continue
            branch = self._branches[index]
            try:
                node, status = branch.lookup(directory, name)
            except FileNotFoundError:
                continue
            is_directory, lowest = stat.S_ISDIR(status.st_mode), index == self._last
            if is_whiteout(branch, directory, node, status, lowest=lowest) or (layers and not is_directory):
                break
            first = first or status
            layers.append((index, node))
            if lowest or not is_directory or is_opaque(branch, node):
                break
        return None if first is None else UnionEntry(tuple(layers), first)

    def _node(self, found: UnionEntry, parent: UnionNode, name: bytes) -> UnionNode:
        key, ino = self._identity(found.layers)
        node = UnionNode(key, ino, parent, name, found.layers)
        self._note_layers(node)
        return node

    def _identity(self, layers: Layers) -> tuple[Hashable, int]:
        index, node = layers[0]
        return self._key(layers), self._ino(index, node.ino)

    def _key(self, layers: Layers) -> Hashable:
        """A directory that comes or goes on another branch is another one then: what the kernel knows below it is
        void."""
        if len(layers) > 1:
            return tuple(self._key_on(index, node.key) for index, node in layers)
        ((index, node),) = layers
        return self._key_on(index, node.key)

    def _key_on(self, index: int, key: Hashable) -> Hashable:
        """Most files are on the last branch, and have the key that is there already."""
        return key if index == self._last else (index, key)

    # Coherence

    def _note_layers(self, node: UnionNode) -> None:
        """Remember a directory that is on several branches: a change below names one of them."""
        if node.below:
            for index, inner in node.layers:
                self._merged.setdefault((index, inner.key), node)

    def _forget_layers(self, node: UnionNode, again: UnionNode | None = None) -> None:
        """The node goes; `again`, where it is the same directory, stays."""
        for index, inner in node.layers if node.below else ():
            key = index, inner.key
            if self._merged.get(key) is node:
                del self._merged[key]
                if again is not None:
                    self._merged[key] = again

    def watch(self, watcher: Watcher) -> None:
        for branch in self._branches:
            branch.watch(watcher)

    def watched(self, node: UnionNode) -> Watched:
        """Changes in each branch matter: a name may come in any, and go in the others."""
        watched = self._branches[node.index].watched(node.inner)
        for index, inner in node.below:  # this is on every answer's way: nearly always there is none
            watched = min(watched, self._branches[index].watched(inner))
        return watched

    def has_aliases(self) -> bool:
        return any(branch.has_aliases() for branch in self._branches)

    def keys(self, device: int, number: int, is_directory: bool) -> Iterable[Hashable]:
        for index, branch in enumerate(self._branches):
            for inner in branch.keys(device, number, is_directory):
                merged = self._merged.get((index, inner))
                yield self._key_on(index, inner) if merged is None else merged.key

    def _ino(self, index: int, ino: int) -> int:
        return self._numbers.number(index, ino)

    def _where(self, node: UnionNode) -> tuple[Branch[Any], Any]:
        return self._branches[node.index], node.inner

    def stat(self, node: UnionNode) -> Stat:
        branch, inner = self._where(node)
        status: Stat = branch.stat(inner)
        return status

    def readlink(self, node: UnionNode) -> bytes:
        branch, inner = self._where(node)
        return branch.readlink(inner)

    def list(self, node: UnionNode) -> Sequence[DirEntry]:
        merged: dict[bytes, DirEntry | None] = {}
        for index, directory in node.layers:
            for (name, ino, kind), absent in listed(self._branches[index], directory, lowest=index == self._last):
                if name not in merged:
                    merged[name] = None if absent else DirEntry(name, self._ino(index, ino), kind)
        return [entry for entry in merged.values() if entry is not None]

    def open(self, node: UnionNode, flags: int) -> OpenFile:
        branch, inner = self._where(node)
        return branch.open(inner, flags)

    def getxattr(self, node: UnionNode, name: bytes) -> bytes:
        if is_private(name):
            raise OSError(errno.ENODATA, os.strerror(errno.ENODATA), name)
        branch, inner = self._where(node)
        return branch.getxattr(inner, name)

    def listxattr(self, node: UnionNode) -> Sequence[bytes]:
        branch, inner = self._where(node)
        return [name for name in branch.listxattr(inner) if not is_private(name)]

    def statvfs(self, node: UnionNode) -> os.statvfs_result:  # noqa: ARG002 - what can be written is the top
        return self._branches[0].statvfs(self._branches[0].root)

    def birth_time(self, node: UnionNode) -> int | None:
        branch, inner = self._where(node)
        return branch.birth_time(inner)

    def ioctl(self, node: UnionNode, command: int, argument: bytes) -> bytes:
        branch, inner = self._where(node)
        return branch.ioctl(inner, command, argument)

    def backing(self, node: UnionNode, flags: int) -> int | None:
        branch, inner = self._where(node)
        return branch.backing(inner, flags)

    def adopt(self, node: UnionNode, again: UnionNode) -> None:
        node.parent, node.name = again.parent, again.name
        known = {(index, inner.key): inner for index, inner in node.layers}
        layers: list[tuple[int, Any]] = []
        for index, inner in again.layers:
            kept = known.pop((index, inner.key), None)
            if kept is not None:
                self._branches[index].adopt(kept, inner)
            layers.append((index, inner if kept is None else kept))
        for (index, _), inner in known.items():
            self._branches[index].forget(inner)
        self._forget_layers(again, node)
        node.layers = tuple(layers)

    def forget(self, node: UnionNode) -> None:
        self._forget_layers(node)
        for index, inner in node.layers:
            self._branches[index].forget(inner)
