"""Files that the kernel forgot, for a while: it may know them by their number again, from a file handle."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import NamedTuple

MOST = 10_000
"""So many are remembered, in 4 MB."""
_NAMES = 4

Name = tuple[int, bytes]
"""The number of a directory's inode, and a name in it."""


class Memory(NamedTuple):
    """Which file it was, and where it was seen, the latest name first: it may have several."""

    key: Hashable
    generation: int
    names: tuple[Name, ...]


class Forgotten:
    """Those that were forgotten last, by their numbers."""

    def __init__(self, limit: int = MOST) -> None:
        self._files: OrderedDict[int, Memory] = OrderedDict()
        self._limit = limit

    def remember(self, number: int, key: Hashable, generation: int, name: Name) -> None:
        """The kernel forgot the inode, which had this name."""
        known = self.get(number, key)
        others = () if known is None else tuple(other for other in known.names if other != name)
        self._files[number] = Memory(key, generation, (name, *others)[:_NAMES])
        self._files.move_to_end(number)
        if len(self._files) > self._limit:
            self._files.popitem(last=False)

    def get(self, number: int, key: Hashable | None = None) -> Memory | None:
        """What is remembered of the number, if it is of the file with this key."""
        memory = self._files.get(number)
        return None if memory is None or key not in (None, memory.key) else memory

    def removed(self, number: int) -> None:
        """The file has no name any more."""
        self._files.pop(number, None)
