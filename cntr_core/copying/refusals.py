"""Refusals of the system, as sentences about the path that they concern."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import CopyError
from ..images.tar.members import quoted
from ..room import NO_ROOM, place

_MORE = "free some space there, or copy to another place"
_HINTS = {
    errno.ELOOP: "links of /proc are not followed; name the process itself, as in pid://1234:/etc",
    errno.EROFS: "copy to a volume or a tmpfs of the container",
    errno.EMFILE: "it is nested too deeply; raise the limit of open files (ulimit -n)",
}


@contextmanager
def about_path(path: bytes, if_missing: str = "", *, below: tuple[bytes, int] | None = None) -> Iterator[None]:
    """Says of an OSError which path it is about, with the hint `if_missing` where that is not there, or that there is
    no room `below` a directory, of which it gets the path and a descriptor. That nobody reads any more (EPIPE) is about
    no path.

    :raises CopyError: instead of it.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        number = error.errno or 0
        if below and number in NO_ROOM:
            where = place(quoted(below[0]), below[1])
            raise CopyError(f"{quoted(path)} cannot be written in {where}: {os.strerror(number)}", _MORE) from error
        hint = if_missing if number == errno.ENOENT else _HINTS.get(number, "")
        raise CopyError(f"{quoted(path)}: {os.strerror(number)}", hint) from error
