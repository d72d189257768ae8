"""Where a file has data (SEEK_DATA and SEEK_HOLE in lseek(2))."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator


def data_ranges(fd: int, size: int) -> Iterator[tuple[int, int]]:
    """The beginning and the end of each piece of data in the first `size` bytes of an open file, in order.

    :raises OSError: the file does not tell.
    """
    at = 0
    while at < size:
        try:
            start = os.lseek(fd, at, os.SEEK_DATA)
            at = os.lseek(fd, start, os.SEEK_HOLE)
        except OSError as error:
            if error.errno != errno.ENXIO:  # else the rest is a hole
                raise
            return
        if start < size:
            yield start, min(at, size)
