"""Tars that are written and read once, from the beginning to the end, in bounded memory."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator
from contextlib import suppress

from ..errors import CopyError
from ..images.limits import LONGEST_HEADER
from ..images.streams import Reader
from ..images.tar.headers import padded
from ..images.tar.index import Entry
from ..images.tar.member_header import Holes
from ..images.tar.members import quoted
from ..kernel.holes import data_ranges

CHUNK = 1 << 18
"""Bytes that are carried at once."""

END = bytes(2 * tarfile.BLOCKSIZE)
"""The end mark."""


class Descriptor:
    """The bytes of a descriptor, as a reader."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def read(self, size: int, /) -> bytes:
        return os.read(self._fd, size)


class StreamedTar:
    """The bytes of a tar that comes from `source`: a window that only moves on."""

    size = 1 << 63
    """Nobody knows it before the end."""

    def __init__(self, source: Reader) -> None:
        self._source = source
        self._window = bytearray()
        self._start = 0

    def read(self, size: int, at: int) -> bytes:
        """At most `size` bytes from the byte `at` on, which is not before that of the last call; fewer at the end."""
        self._skip_to(at)
        while len(self._window) < size and (data := self._source.read(size - len(self._window))):
            self._window += data
        return bytes(self._window[:size])

    def _skip_to(self, at: int) -> None:
        dropped = min(at - self._start, len(self._window))
        del self._window[:dropped]
        self._start += dropped
        while self._start < at and (data := self._source.read(min(CHUNK, at - self._start))):
            self._start += len(data)

    def content(self, entry: Entry) -> Iterator[tuple[int, bytes]]:
        """Where what of the file's content belongs, in order; holes are left out.

        :raises CopyError: the tar ends before.
        """
        at = entry.data
        for offset, size in [(0, entry.size)] if entry.segments is None else entry.segments:
            for done in range(0, size, CHUNK):
                wanted = min(CHUNK, size - done)
                data = self.read(wanted, at)
                if len(data) < wanted:
                    raise CopyError(f"the tar ends in the middle of {quoted(entry.path)}")
                at += wanted
                yield offset + done, data


def find_holes(fd: int, size: int) -> Holes | None:
    """The holes of an open file, None where it has none, or more than a tar can tell."""
    segments = []
    with suppress(OSError):
        for start, end in data_ranges(fd, size):
            segments.append((start, end - start))
            if len(segments) * 24 > LONGEST_HEADER // 2:
                return None
    if segments == [(0, size)]:
        return None
    segments.append((size, 0))  # GNU tar marks the end so, for a hole there
    lines = (str(len(segments)), *(f"{offset}\n{length}" for offset, length in segments))
    text = "".join(f"{line}\n" for line in lines).encode()
    return Holes(text.ljust(padded(len(text)), b"\0"), segments)
