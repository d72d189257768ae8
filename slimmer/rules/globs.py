"""Globs over an image's paths: ``*`` and ``?`` within a name, ``[…]``, and ``**`` across directories.

A leading dot is a character like any other. A link is followed where a glob spells its name out, as open(2) would.
"""

from __future__ import annotations

import fnmatch
import posixpath
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from cntr_core.rules import ImageView

_MAGIC = re.compile(rb"[*?\[]")


def is_glob(pattern: bytes) -> bool:
    return _MAGIC.search(pattern) is not None


@lru_cache(maxsize=512)
def compiled(patterns: tuple[bytes, ...]) -> re.Pattern[bytes]:
    """One expression that matches, by ``fullmatch``, what any of the globs matches."""
    from wcmatch import glob  # 20 ms, which `cntr --help` need not wait for

    flags = glob.GLOBSTAR | glob.DOTGLOB | glob.FORCEUNIX
    expressions, _ = glob.translate(list(patterns), flags=flags)
    return re.compile(b"|".join(b"(?:%s)" % expression for expression in expressions))


def expand(image: ImageView, pattern: bytes, below: bytes = b"/") -> Iterator[bytes]:
    """The paths in `image` that a glob finds, sorted within each directory. Links are found as links.

    A glob without a leading slash counts from the directory `below`, in whose path no character is special.
    """
    directory = b"/" if pattern.startswith(b"/") else below
    return _below(image, directory, [part for part in pattern.split(b"/") if part])


def _below(image: ImageView, directory: bytes, parts: Sequence[bytes]) -> Iterator[bytes]:
    if not parts:
        yield directory
        return
    head, rest = parts[0], parts[1:]
    if head == b"**":
        yield from _across(image, directory, b"/".join(parts))
    elif is_glob(head):
        for name in fnmatch.filter(image.list(directory), head):
            yield from _next(image, posixpath.join(directory, name), rest)
    else:
        yield from _next(image, posixpath.join(directory, head), rest)


def _next(image: ImageView, path: bytes, rest: Sequence[bytes]) -> Iterator[bytes]:
    if rest:
        yield from _below(image, path, rest)
    elif image.lookup(path, follow=False):
        yield path


def _across(image: ImageView, directory: bytes, pattern: bytes) -> Iterator[bytes]:
    """Walk, from the directory that the glob's first ``**`` stands for."""
    top = image.lookup(directory)
    if top is None:
        return
    matches = compiled((pattern,)).fullmatch
    skip = len(top.path.rstrip(b"/")) + 1
    for found in image.walk(top.path):
        if matches(found.path[skip:]):
            yield found.path
