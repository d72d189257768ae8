"""What a process has begun and must not leave behind: noted where another process reads it, should this one be killed.

A note is written before the thing is made, so there is no moment at which something exists that nobody knows of.
"""

from __future__ import annotations

import os

_FORGET = b"-"
_NOTE = b"+"
_END = b"\0"

_notes: int | None = None


def keep_notes() -> None:
    """From now on notes of this process, and of all that it forks, are read by :func:`noted` of the caller's."""
    global _notes
    _notes = os.memfd_create("cntr-leftovers", os.MFD_CLOEXEC)


def note(path: str) -> None:
    """The file, directory or control group `path`, whose name nobody else will ever use, is about to be made."""
    _write(_NOTE, path)


def forget(path: str) -> None:
    """`path` is gone, or is to stay."""
    _write(_FORGET, path)


def noted() -> list[str]:
    """The paths that were noted and not forgotten."""
    if _notes is None:
        return []
    content = os.pread(_notes, os.fstat(_notes).st_size, 0)
    paths: dict[str, None] = {}
    for line in map(os.fsdecode, content.split(_END)[:-1]):
        if line[:1] == "+":
            paths[line[1:]] = None
        else:
            paths.pop(line[1:], None)
    return list(paths)


def _write(sign: bytes, path: str) -> None:
    if _notes is not None:
        os.write(_notes, sign + os.fsencode(os.path.abspath(path)) + _END)
