"""A plain tar, wherever its bytes are."""

from __future__ import annotations

import errno
import hashlib
import os
from typing import NamedTuple, Protocol

_CHUNK = 1 << 20


class TarBytes(Protocol):
    """What headers are read from. Nothing before the `at` of the last call is asked for again."""

    @property
    def size(self) -> int:
        """How many bytes there are, or more where nobody knows."""

    def read(self, size: int, at: int) -> bytes:
        """At most `size` bytes from the byte `at` on; fewer only at the end."""


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

    def copy(self, out: int, size: int, at: int) -> None:
        """Write `size` bytes from the tar's byte `at` on to the descriptor `out`, at its position.

        :raises OSError: EIO, the file is shorter than it was; or as sendfile(2).
        """
        start = self.offset + at
        end = start + size
        while start < end:
            copied = os.sendfile(out, self.fd, start, end - start)
            if not copied:
                raise OSError(errno.EIO, "the layer's file was truncated")
            start += copied

    def digest(self) -> str:
        """The sha256 of all its bytes, as a digest; :raises OSError: as for :meth:`read`."""
        whole = hashlib.sha256()
        for at in range(0, self.size, _CHUNK):
            whole.update(self.read(_CHUNK, at))
        return f"sha256:{whole.hexdigest()}"
