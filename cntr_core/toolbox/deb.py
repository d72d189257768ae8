"""Debian packages as files: an ar archive with two tars (deb(5))."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..errors import ImageError
from ..images.streams import Window, decompressed
from ..reasons import reason

_MAGIC = b"!<arch>\n"
_HEADER = 60


class Deb:
    """An open package."""

    def __init__(self, path: str, fd: int) -> None:
        self._path = path
        self._fd = fd
        self._members = dict(self._listed())

    @contextmanager
    def tar(self, name: str) -> Iterator[tarfile.TarFile]:
        """The tar called `name`, control or data, to be read once from its beginning.

        :raises ImageError: there is none, or it is damaged.
        """
        for member, window in self._members.items():
            if member.startswith(f"{name}.tar"):
                plain: Any = decompressed(window)[0]  # tarfile's types want more than the method that it calls
                with _told(self._path), tarfile.open(fileobj=plain, mode="r|") as tar:
                    yield tar
                return
        raise ImageError(f"{os.path.basename(self._path)} has no {name}.tar", "try another mirror")

    def _listed(self) -> Iterator[tuple[str, Window]]:
        offset = len(_MAGIC)
        if os.pread(self._fd, offset, 0) != _MAGIC:
            raise ImageError(f"{os.path.basename(self._path)} is not a Debian package", "try another mirror")
        while len(header := os.pread(self._fd, _HEADER, offset)) == _HEADER:
            size = header[48:58].decode("ascii", "replace").strip()
            if not size.isdecimal():
                raise ImageError(f"{os.path.basename(self._path)} is damaged", "try another mirror")
            yield (
                header[:16].decode("ascii", "replace").strip().rstrip("/"),
                Window(self._fd, offset + _HEADER, int(size)),
            )
            offset += _HEADER + int(size) + int(size) % 2


@contextmanager
def opened_deb(path: str) -> Iterator[Deb]:
    """The package at `path`; :raises ImageError: it is none."""
    with open(path, "rb") as file:
        yield Deb(path, file.fileno())


@contextmanager
def _told(path: str) -> Iterator[None]:
    try:
        yield
    except tarfile.TarError as error:
        raise ImageError(f"{os.path.basename(path)} is damaged: {reason(error)}", "try another mirror") from error
