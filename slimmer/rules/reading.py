"""Small questions that several rules ask of an image."""

from __future__ import annotations

import stat
from collections.abc import Collection, Iterable, Iterator

from cntr_core.rules import Found, ImageView, Keep

from .globs import expand

MOST = 1 << 25
"""Bytes of a list that are read: images may hold anything, and dpkg's database of 5000 packages has 6 MB."""


def regular(image: ImageView, path: bytes) -> Found | None:
    """The regular file that `path` leads to, if there is one."""
    found = image.lookup(path)
    return found if found and stat.S_ISREG(found.kind) else None


def was_read(operations: Collection[str]) -> bool:
    """Whether the trace's `operations` on a file show that its content was wanted."""
    return "open" in operations or "read" in operations


def content(image: ImageView, path: bytes) -> bytes:
    """The content of a file, empty where there is none. Of a file larger than any list, its beginning."""
    return image.read(path, MOST) if regular(image, path) else b""


def lines(image: ImageView, path: bytes) -> Iterator[bytes]:
    """The lines of a configuration file without comments and blanks around; none where there is no such file."""
    for line in content(image, path).splitlines():
        if said := line.partition(b"#")[0].strip():
            yield said


def keep_all(image: ImageView, patterns: Iterable[bytes], because: str, below: bytes = b"/") -> Iterator[Keep]:
    """What the globs find, those without a leading slash in the directory `below`."""
    for pattern in patterns:
        for path in expand(image, pattern, below):
            yield Keep(path, because)


def shown(path: bytes) -> str:
    """A path for people, whatever bytes it is of."""
    return path.decode("utf-8", "backslashreplace")
