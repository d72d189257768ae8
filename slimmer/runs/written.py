"""Where a run wrote, from the upper layer of its overlay, which has whatever was changed."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from typing import NamedTuple


class Change(NamedTuple):
    """A directory or a regular file in the upper layer; `time` is when it was modified last, in nanoseconds. A
    directory above a change is there with the time that it had below; one in which a name was made or removed has
    another."""

    path: bytes
    is_directory: bool
    time: int


class UpperLayer:
    """The upper layer at `path`, seen before a program of the image runs."""

    def __init__(self, path: str) -> None:
        self._path = os.fsencode(path)
        self._before = frozenset(self._entries())

    def written(self) -> frozenset[Change]:
        """What has changed since."""
        return frozenset(self._entries()) - self._before

    def _entries(self) -> Iterator[Change]:
        pending = [b""]
        while pending:
            below = pending.pop()
            status = os.lstat(self._path + below)
            yield Change(below or b"/", True, status.st_mtime_ns)
            for name in os.listdir(self._path + below):
                path = b"%s/%s" % (below, name)
                status = os.lstat(self._path + path)
                if stat.S_ISDIR(status.st_mode):
                    pending.append(path)
                elif stat.S_ISREG(status.st_mode):
                    yield Change(path, False, status.st_mtime_ns)
