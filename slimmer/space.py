"""Whether the places where slimming writes have room for it: told before the image runs, and not when it has."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable

from cntr_core.errors import ImageError
from cntr_core.room import place

_PACKED = 4
"""How many times smaller compressed layers are at the best: who has less room than that has too little for certain."""


def check_space(directory: str, target: str, size: int, *, copied: bool, compressed: bool) -> None:
    """Whether an image whose layers have `size` bytes as plain tars can be slimmed in `directory`, and both images be
    written to the directory `target` (empty: they go elsewhere). It may also be `copied` whole, for an engine.

    :raises ImageError: a filesystem has too little room; the message has the figures.
    """
    packed = size // _PACKED if compressed else 0
    wanted = [(directory, size * (2 if copied else 1) + packed)]
    if target:
        wanted.append((target, packed or size))
    for places, needed in _by_filesystem(wanted):
        free = _free(places[0])
        if free < needed:
            where = " and ".join(map(place, places))
            raise ImageError(
                f"there is not enough room in {where}: {_size(free)} are free, and slimming needs {_size(needed)}",
                "free some space, or set TMPDIR to a place that has more",
            )


def _by_filesystem(wanted: Iterable[tuple[str, int]]) -> Iterable[tuple[list[str], int]]:
    """The places of each filesystem, with what is needed in all of them."""
    places: defaultdict[int, list[str]] = defaultdict(list)
    needed: defaultdict[int, int] = defaultdict(int)
    for path, size in wanted:
        device = os.stat(path).st_dev
        places[device].append(path)
        needed[device] += size
    return [(places[device], needed[device]) for device in places]


def _free(path: str) -> int:
    status = os.statvfs(path)
    return status.f_bavail * status.f_frsize


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB"
