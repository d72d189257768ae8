"""Inode numbers that are stable, and unique across the devices of one tree."""

from __future__ import annotations

from collections.abc import Hashable

_BITS = 48
_SPARE = 1 << 63


class InodeNumbers:
    """Gives every file of several spaces (devices, branches) one number that no other file has.

    The first space keeps its numbers. A number of another space carries the space's index in its upper bits.
    What does not fit, because the filesystem below uses more than 48 bits itself, gets a number of its own
    for ever.
    """

    def __init__(self) -> None:
        self._spaces: dict[Hashable, int] = {}
        self._spare: dict[tuple[Hashable, int], int] = {}

    def number(self, space: Hashable, ino: int) -> int:
        """The number of file `ino` in `space`; the same for every call."""
        index = self._spaces.get(space)
        if index is None:
            index = self._spaces[space] = len(self._spaces)
        if ino >> _BITS or index >> (63 - _BITS):
            return self._spare.setdefault((space, ino), _SPARE + len(self._spare))
        return index << _BITS | ino if index else ino  # the same object, where there are a million of them
