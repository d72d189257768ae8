"""What the copies on a union's topmost branch were before they were copied up."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, NamedTuple

from cntr_core.filesystem import Branch, Node


class Origin(NamedTuple):
    """The identity that a file keeps: its key and inode number in the union. `born` is when the copy was made, and
    `copy` its key on the topmost branch."""

    key: Hashable
    ino: int
    born: int | None
    copy: Hashable


class Origins:
    """Remembers for as long as the union lives, by the inode numbers of the copies."""

    def __init__(self, top: Branch[Any]) -> None:
        self._top = top
        self._origins: dict[int, Origin] = {}
        self._copies: dict[Hashable, Node] = {}
        self._keys: dict[Hashable, Hashable] = {}

    def remember(self, original: Node, copy: Node, *, more_names: bool = False) -> None:
        """`copy` was made of `original`, of which the lower branch may have more names."""
        self._origins[copy.ino] = Origin(original.key, original.ino, self._top.birth_time(copy), copy.key)
        self._keys[copy.key] = original.key
        if more_names:
            self._copies[original.key] = copy

    def of(self, node: Node) -> Origin | None:
        """What `node` of the topmost branch is a copy of."""
        origin = self._origins.get(node.ino)
        if origin is None:
            return None
        if origin.born != self._top.birth_time(node):
            self.forget(node.ino)  # the copy was removed behind our back, and its number used again
            return None
        if origin.key in self._copies:
            self._copies[origin.key] = node
        return origin

    def ino(self, copy: int) -> int | None:
        """The inode number in the union of the copy that has this one on top."""
        origin = self._origins.get(copy)
        return None if origin is None else origin.ino

    def key(self, copy: Hashable) -> Hashable | None:
        """The key in the union of the copy that has this one on top."""
        return self._keys.get(copy)

    def copy(self, key: Hashable) -> Node | None:
        """The copy of a file that has more names, for another of them."""
        return self._copies.get(key)

    def forget(self, copy: int) -> None:
        """The copy is gone; its inode number may be used again."""
        origin = self._origins.pop(copy, None)
        if origin is not None:
            self._copies.pop(origin.key, None)
            self._keys.pop(origin.copy, None)
