"""What users say by path: ``--include``, ``--exclude`` and ``--preserve``."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable, Iterator, Sequence
from itertools import takewhile

from cntr_core.errors import UsageError
from cntr_core.rules import ImageView, Keep, Rule, RuleContext

from .globs import compiled, expand, is_glob


class PathPatterns:
    """Paths and globs in `image`, links on the way resolved. A directory means all that is in it.

    :raises UsageError: one does not begin with a slash.
    """

    def __init__(self, image: ImageView, patterns: Sequence[str]) -> None:
        check_patterns(patterns)
        self._image = image
        self._patterns = {pattern: _real(image, os.fsencode(pattern)) for pattern in patterns}

    def matches(self, path: bytes) -> bool:
        """Whether the real path, or a directory above it, is one of these."""
        return any(_matches(pattern, path) for pattern in self._patterns.values())

    def expand(self) -> Iterator[bytes]:
        """The paths in the image that these mean, directories with all that is in them."""
        for pattern in self._patterns.values():
            for path in expand(self._image, pattern):
                yield path
                if found := self._image.lookup(path):
                    yield from (below.path for below in self._image.walk(found.path))

    def unmatched(self) -> list[str]:
        """Those that find nothing, as the user wrote them: most likely misspelt."""
        return [said for said, pattern in self._patterns.items() if not any(expand(self._image, pattern))]


def check_patterns(patterns: Iterable[str]) -> None:
    """:raises UsageError: one does not begin with a slash."""
    for pattern in patterns:
        if not pattern.startswith("/"):
            raise UsageError(f"'{pattern}' does not begin with a slash", "give paths as they are in the image")


def _real(image: ImageView, pattern: bytes) -> bytes:
    """The pattern as real paths have it: the part before the first glob without links."""
    parts = [part for part in pattern.split(b"/") if part]
    plain = list(takewhile(lambda part: not is_glob(part), parts))
    prefix, rest = b"/" + b"/".join(plain), parts[len(plain) :]
    found = image.lookup(prefix, follow=bool(rest))
    return posixpath.join(found.path if found else posixpath.normpath(prefix), *rest)


def _matches(pattern: bytes, path: bytes) -> bool:
    if not is_glob(pattern):
        return path == pattern or path.startswith(pattern.rstrip(b"/") + b"/")
    return compiled((pattern, pattern + b"/**")).fullmatch(path) is not None


class Exclusion:
    """What `exclude` means and `preserve` does not: to be called with a real path."""

    def __init__(self, exclude: PathPatterns, preserve: PathPatterns) -> None:
        self._exclude = exclude
        self._preserve = preserve

    def __call__(self, path: bytes) -> bool:
        return self._exclude.matches(path) and not self._preserve.matches(path)


class Paths(Rule):
    """A rule for one run, of the paths that the user wants."""

    name = "include"
    description = "The files that the user named."

    def __init__(self, include: PathPatterns) -> None:
        self._include = include

    def keep(self, context: RuleContext) -> Iterable[Keep]:
        for path in self._include.expand() if context.first else ():
            yield Keep(path, "it was asked for")
