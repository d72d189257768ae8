"""A plain tar, wherever its bytes are."""

from __future__ import annotations

import errno
import os
from typing import NamedTuple


class PlainTar(NamedTuple):
    """The bytes [offset, offset+size) of the descriptor `fd`, which somebody else owns.

    Read by pread(2): unlike a map, a file that somebody truncates meanwhile is an error and not a SIGBUS.
    """

    fd: int
    offset: int
    size: int

    def read(self, size: int, at: int) -> bytes:
        """At most `size` bytes from the tar's byte `at` on; fewer only at its end.

        :raises OSError: EIO, the file is shorter than it was.
        """
        size = min(size, self.size - at)
        if size <= 0:
            return b""
        data = os.pread(self.fd, size, self.offset + at)
        if len(data) == size:
            return data
        pieces = [data]
        missing = size - len(data)
        while missing:
            data = os.pread(self.fd, missing, self.offset + at + size - missing)
            if not data:
                raise OSError(errno.EIO, "the layer's file was truncated")
            pieces.append(data)
            missing -= len(data)
        return b"".join(pieces)
