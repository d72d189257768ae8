"""Small questions that several rules ask of an image."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterable, Iterator, Sequence

from cntr_core.kernel.process import DEFAULT_PATH
from cntr_core.rules import Found, ImageView, Keep, LeftOut, RuleContext

from .globs import expand

MOST = 1 << 25
"""Bytes of a list that are read: images may hold anything, and dpkg's database of 5000 packages has 6 MB."""


def regular(image: ImageView, path: bytes) -> Found | None:
    """The regular file that `path` leads to, if there is one."""
    found = image.lookup(path)
    return found if found and stat.S_ISREG(found.kind) else None


def gives_rights(found: Found) -> bool:
    """Whether a program gives those who run it more rights: such are kept where they were used, and seldom else."""
    return bool(found.mode & (stat.S_ISUID | stat.S_ISGID))


def path_directories(context: RuleContext) -> Sequence[bytes]:
    """The real directories of PATH, and those of every system, each once."""
    listed = os.fsencode(f"{context.environment.get('PATH', '')}:{DEFAULT_PATH}").split(b":")
    return list(dict.fromkeys(_real(context.image, path) for path in listed if path.startswith(b"/")))


def _real(image: ImageView, path: bytes) -> bytes:
    found = image.lookup(path)
    return found.path if found else path


def was_read(operations: Collection[str]) -> bool:
    """Whether the trace's `operations` on a file show that its content was wanted."""
    return "open" in operations or "read" in operations


def only_seen(context: RuleContext, path: bytes) -> bool:
    """Whether the run saw that the file exists, as whatever lists a directory does, and did not want its content."""
    return path in context.used and not was_read(context.used[path])


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


def within(
    limit: int, wanted: Iterable[tuple[bytes, Found, str]], beyond: str, kept: Iterable[bytes] = ()
) -> Iterator[Keep | LeftOut]:
    """What fits into `limit` bytes, in the order of `wanted`: a path, the file that is there, and why it is kept.

    A file with several names counts once, and not at all where its real path is among `kept`. Of what is left out,
    `beyond` says why.
    """
    left, counted = limit, set(kept)
    for path, found, because in wanted:
        left -= 0 if found.path in counted else found.size
        counted.add(found.path)
        yield Keep(path, because) if left >= 0 else LeftOut(path, f"{because}, but {beyond}")


def shown(path: bytes) -> str:
    """A path for people, whatever bytes it is of."""
    return path.decode("utf-8", "backslashreplace")
