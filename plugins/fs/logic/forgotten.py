"""Files that the kernel forgot, for a while: it may know them by their number again, from a file handle."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import NamedTuple

MOST = 10_000
"""So many are remembered, in 4 MB."""


class Place(NamedTuple):
    """Where a file was, and which it was: `directory` is the number of an inode."""

    directory: int
    name: bytes
    key: Hashable
    generation: int


class Forgotten:
    """The places of those that were forgotten last, by their numbers."""

    def __init__(self, limit: int = MOST) -> None:
        self._places: OrderedDict[int, Place] = OrderedDict()
        self._limit = limit

    def remember(self, number: int, place: Place) -> None:
        """The kernel forgot the inode."""
        self._places[number] = place
        self._places.move_to_end(number)
        if len(self._places) > self._limit:
            self._places.popitem(last=False)

    def place(self, number: int) -> Place | None:
        """Where the file was, if that is still remembered."""
        return self._places.get(number)

    def generation(self, number: int, key: Hashable) -> int | None:
        """The file is known again: its generation, if it is the same file."""
        place = self._places.pop(number, None)
        return place.generation if place is not None and place.key == key else None
