"""The files that the kernel refers to, with exact counts of how often."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from itertools import islice
from typing import Generic

from cntr_core.filesystem import N

from .forgotten import Forgotten

ROOT = 1
"""The root's number in the kernel's protocol (FUSE_ROOT_ID)."""

_SPARE = 3 << 62
_MANY = 10_000


class Inode(Generic[N]):
    """A file that the kernel knows by `number`.

    `generation` tells two files apart that had the same number one after the other. `lookups` is how often
    the kernel was told the number and did not yet forget it.
    """

    __slots__ = ("generation", "kind", "lookups", "node", "number")

    def __init__(self, number: int, node: N, kind: int) -> None:
        self.number = number
        self.generation = 0
        self.node = node
        self.kind = kind
        self.lookups = 0


class InodeTable(Generic[N]):
    """All inodes by number and by their node's key. Does no I/O: what is to be done about a node is
    returned."""

    def __init__(self, root: N, kind: int) -> None:
        self.root = Inode(ROOT, root, kind)
        self._numbered: dict[int, Inode[N]] = {ROOT: self.root}
        self._keyed: dict[Hashable, Inode[N]] = {root.key: self.root}
        self._spare: dict[Hashable, int] = {}
        self._collisions = 0
        self._forgotten = 0
        self._kinds: dict[int, int] = {}
        self.forgotten = Forgotten()
        self._generation = 0

    def __getitem__(self, number: int) -> Inode[N]:
        """The inode that the kernel means.

        :raises KeyError: the kernel forgot it, or never knew it.
        """
        return self._numbered[number]

    def __len__(self) -> int:
        return len(self._numbered)

    def __iter__(self) -> Iterator[Inode[N]]:
        return iter(self._numbered.values())

    def find(self, node: N) -> Inode[N] | None:
        """The inode that is kept for the same file as `node`."""
        return self._keyed.get(node.key)

    def known(self, key: Hashable) -> Inode[N] | None:
        """The inode of the file with this key. Other threads may ask."""
        return self._keyed.get(key)

    def all(self) -> list[Inode[N]]:
        """All at this moment, for another thread."""
        return list(self._numbered.values())

    def enter(self, node: N, kind: int) -> Inode[N]:
        """Count one look-up of `node`, whose file type is `kind` (the S_IFMT bits).

        The result keeps the node that was entered first; the caller tells it of the new one. If the type
        differs, the number was used again for another file, and the result is that file under a new
        generation.
        """
        inode = self._keyed.get(node.key)
        if inode is None:
            inode = Inode(self._number(node), node, self._kinds.setdefault(kind, kind))  # one object for all
            self._keyed[node.key] = self._numbered[inode.number] = inode
            before = self.forgotten.get(inode.number, node.key)
            inode.generation = self._generation if before is None else before.generation
        elif inode.kind != kind:
            inode.node, inode.kind = node, kind
            self._generation += 1
            inode.generation = self._generation
        inode.lookups += 1
        return inode

    def _number(self, node: N) -> int:
        """The inode number that users see, where no other file has it: libfuse makes no difference between
        them."""
        number = self._spare.get(node.key, node.ino)
        while number in self._numbered or number <= ROOT:
            number = self._spare[node.key] = _SPARE + self._collisions
            self._collisions += 1
        return number

    def get(self, number: int) -> Inode[N] | None:
        """The inode that the kernel means, if it is known."""
        return self._numbered.get(number)

    def oldest(self, count: int) -> list[int]:
        """The numbers of the `count` that were entered first, what is in a directory before the directory. They count
        as entered last from now on: some of them may be in use, and are not to be had next time."""
        numbers = list(islice(self._numbered, 1, 1 + count))  # the first is the root
        for number in numbers:
            self._numbered[number] = self._numbered.pop(number)
        return numbers[::-1]

    def forget(self, inode: Inode[N], lookups: int) -> bool:
        """Take back `lookups`; whether these were the last, and the inode is gone. The root never goes."""
        inode.lookups -= lookups
        if inode.lookups > 0 or inode is self.root:
            return False
        del self._numbered[inode.number]
        if self._keyed.get(inode.node.key) is inode:
            del self._keyed[inode.node.key]
            self.remember_name(inode)
        self._forgotten += 1
        return True

    def remember_name(self, inode: Inode[N]) -> None:
        """For a file handle that somebody may have of it: it is forgotten, or will be known by another name."""
        node, directory = inode.node, inode.node.parent
        if directory is not None:
            known = self._keyed.get(directory.key)
            number = directory.ino if known is None else known.number
            self.forgotten.remember(inode.number, node.key, inode.generation, (number, node.name))

    def shrink(self) -> bool:
        """Give back the memory of those that are gone, for a dictionary never shrinks by itself; whether there were
        many."""
        if self._forgotten <= _MANY + 4 * len(self._numbered):
            return False
        self._numbered, self._keyed, self._forgotten = dict(self._numbered), dict(self._keyed), 0
        return True

    def detach(self, inode: Inode[N]) -> None:
        """The file has no name any more: whatever is looked up with its key from now on is another one, also if the
        kernel forgets this one first."""
        self._generation += 1
        self.forgotten.removed(inode.number)
        if self._keyed.get(inode.node.key) is inode:
            del self._keyed[inode.node.key]
