"""Small questions that several rules ask of an image."""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator

from cntr_core.rules import Found, ImageView, Keep

from .globs import expand


def regular(image: ImageView, path: bytes) -> Found | None:
    """The regular file that `path` leads to, if there is one."""
    found = image.lookup(path)
    return found if found and stat.S_ISREG(found.kind) else None


def lines(image: ImageView, path: bytes) -> Iterator[bytes]:
    """The lines of a configuration file without comments and blanks around; none where there is no such file."""
    if regular(image, path):
        for line in image.read(path).splitlines():
            if content := line.partition(b"#")[0].strip():
                yield content


def keep_all(image: ImageView, patterns: Iterable[bytes], because: str, below: bytes = b"/") -> Iterator[Keep]:
    """What the globs find, those without a leading slash in the directory `below`."""
    for pattern in patterns:
        for path in expand(image, pattern, below):
            yield Keep(path, because)


def shown(path: bytes) -> str:
    """A path for people, whatever bytes it is of."""
    return path.decode("utf-8", "backslashreplace")
