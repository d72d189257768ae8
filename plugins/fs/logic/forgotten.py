"""Files that the kernel forgot, for a while: it may know them by their number again, from a file handle."""

from __future__ import annotations

import marshal
from collections.abc import Hashable
from contextlib import suppress
from typing import Any, NamedTuple

MOST = 10_000
"""So many are remembered at most, in about a megabyte."""
_NAMES = 4

Name = tuple[int, bytes]
"""The number of a directory's inode, and a name in it."""


class Memory(NamedTuple):
    """Which file it was, and where it was seen, the latest name first: it may have several."""

    key: Hashable
    generation: int
    names: tuple[Name, ...]


class Forgotten:
    """Those that were forgotten last, by their numbers, of which each has one place.

    As bytes: objects of their own, which were in use before, would keep whole blocks of memory from being given back.
    """

    def __init__(self, limit: int = MOST) -> None:
        self._places: list[bytes | None] = [None] * limit

    def remember(self, number: int, key: Hashable, generation: int, name: Name) -> None:
        """The kernel forgot the inode, which had this name. A key that is more than numbers, bytes, strings and tuples
        of these is not remembered."""
        known = self.get(number, key)
        others = () if known is None else tuple(other for other in known.names if other != name)
        memory: Any = key, generation, (name, *others)[:_NAMES]
        with suppress(ValueError):
            self._places[number % len(self._places)] = _start(number) + marshal.dumps(memory)

    def get(self, number: int, key: Hashable | None = None) -> Memory | None:
        """What is remembered of the number, if it is of the file with this key."""
        record = self._places[number % len(self._places)]
        if record is None or not record.startswith(start := _start(number)):
            return None
        memory = Memory(*marshal.loads(record[len(start) :]))
        return None if key not in (None, memory.key) else memory

    def removed(self, number: int) -> None:
        """The file has no name any more."""
        if self.get(number) is not None:
            self._places[number % len(self._places)] = None


def _start(number: int) -> bytes:
    return number.to_bytes(8, "little")
