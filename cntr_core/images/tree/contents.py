"""What files of the merged tree hold, read from the layers' tars."""

from __future__ import annotations

import os
from collections.abc import Sequence

from ..tar.plain import PlainTar, TarBytes
from .tree import File


class ReadContents:
    """Reads from the tars of all layers, the lowest first, wherever their bytes are."""

    def __init__(self, tars: Sequence[TarBytes]) -> None:
        self._bytes = tars

    def read(self, file: File, size: int, offset: int) -> bytes:
        """At most `size` bytes of a regular file from `offset`; fewer only at its end.

        :raises OSError: EIO, the layer's file was truncated.
        """
        entry = file.entry
        size = min(size, entry.size - offset)
        if size <= 0:
            return b""
        if entry.segments is None:
            return self._bytes[file.layer].read(size, entry.data + offset)
        return self._read_sparse(file, size, offset)

    def _read_sparse(self, file: File, size: int, offset: int) -> bytes:
        """The parts that are there; what lies between is zero."""
        content = bytearray(size)
        stored = file.entry.data
        for begin, length in file.entry.segments or ():
            first, last = max(begin, offset), min(begin + length, offset + size)
            if first < last:
                data = self._bytes[file.layer].read(last - first, stored + first - begin)
                content[first - offset : last - offset] = data
            stored += length
        return bytes(content)


class Contents(ReadContents):
    """The same of plain tars. Who made them owns their descriptors."""

    def __init__(self, tars: Sequence[PlainTar]) -> None:
        super().__init__(tars)
        self.tars = tars

    def copy(self, file: File, out: int) -> None:
        """Write all of a regular file to the empty file `out`, and leave its holes out.

        :raises OSError: EIO, the layer's file was truncated; or `out` cannot be written.
        """
        entry = file.entry
        tar = self.tars[file.layer]
        if entry.segments is None:
            tar.copy(out, entry.size, entry.data)
            return
        stored = entry.data
        for begin, length in entry.segments:
            os.lseek(out, begin, os.SEEK_SET)
            tar.copy(out, length, stored)
            stored += length
        os.ftruncate(out, entry.size)
