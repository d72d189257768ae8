"""What a container writes, kept in files that do not grow without end."""

from __future__ import annotations

import mmap
import os
from contextlib import suppress

from ..reasons import reason

LARGEST_LOG = 32 << 20
"""Bytes of a container's output that are kept: its end. Else one that prints without end fills a disk in a second."""
_CHUNK = 1 << 16
_BEHIND, _UNSAID = 0, 1


class Log:
    """What a container wrote, in the file `path`; where that is more than half of LARGEST_LOG, the half before is in
    `path`.before, and what was before that is gone. The files say so themselves, and where something was lost, as there
    was no room.

    One process takes, all others that were forked after this was made may read.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._fd = -1
        self._size = self._total = 0
        self._has_gap = False
        self._shared = mmap.mmap(-1, 2)  # between who takes and who reads

    @property
    def is_behind(self) -> bool:
        """Whether something was taken that is not written yet."""
        return bool(self._shared[_BEHIND])

    @property
    def files(self) -> tuple[str, str]:
        """The paths that it may be in."""
        return self._before, self.path

    def take(self, pipe: int) -> bytes:
        """Add what is in `pipe`, and give it; empty at its end."""
        self._shared[_BEHIND] = 1
        data = os.read(pipe, _CHUNK)
        if data:
            self.write(data)
        self._shared[_BEHIND] = 0
        return data

    def write(self, data: bytes) -> None:
        """Add to it; where there is no room, that is said instead."""
        try:
            if self._fd < 0 or self._size > LARGEST_LOG // 2:
                self._begin()
            _write(self._fd, data)
            self._has_gap, self._shared[_UNSAID] = False, 0
        except OSError as error:  # a full disk loses output, not the container
            self._tell_gap(error)
        self._size += len(data)
        self._total += len(data)

    def read(self) -> bytes:
        """What was kept so far."""
        while True:
            half = _identity(self._before)
            before, content = _content(self._before), _content(self.path)
            if _identity(self._before) == half:  # else another was begun meanwhile
                break
        unsaid = self._shared[_UNSAID]
        return before + (content.partition(b"\n")[2] if before else content) + (_gap(unsaid) if unsaid else b"")

    @property
    def _before(self) -> str:
        return f"{self.path}.before"

    def _begin(self) -> None:
        """A new file; what was in the last one is kept, and what was before is not."""
        if self._fd >= 0:
            with suppress(FileNotFoundError):  # it was renamed, and then there was no room for a new one
                os.replace(self.path, self._before)
        fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        if self._fd >= 0:
            os.close(self._fd)
        self._fd, self._size = fd, 0
        if self._total:
            name = os.path.basename(self._before)
            _write(fd, f"cntr: {self._total} bytes of output came before this: in {name}, or gone\n".encode())

    def _tell_gap(self, error: OSError) -> None:
        """Say once that something is lost, in place of what was last if there is no room even for that."""
        if self._has_gap and not self._shared[_UNSAID]:
            return
        note = _gap(error.errno or 0)
        self._has_gap, self._shared[_UNSAID] = True, error.errno or 0
        with suppress(OSError):
            os.ftruncate(self._fd, max(0, os.fstat(self._fd).st_size - len(note)))
            _write(self._fd, note)
            self._shared[_UNSAID] = 0


def _gap(number: int) -> bytes:
    return f"\ncntr: output is lost here: {reason(OSError(number, os.strerror(number)))}\n".encode()


def _write(fd: int, data: bytes) -> None:
    """All of it; :raises OSError: part of it may be written."""
    while data:
        data = data[os.write(fd, data) :]


def _identity(path: str) -> tuple[int, int]:
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return 0, 0
    return status.st_ino, status.st_ctime_ns


def _content(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return b""
