"""The rule `small-directories`: what is in a directory that the application listed, such as one of plugins."""

from __future__ import annotations

import posixpath
import stat
from collections.abc import Iterable, Sequence

from cntr_core.rules import ImageView, Keep, Profile, Rule, RuleContext

from .reading import shown

MOST_ENTRIES = 256
MOST_BYTES = 512 * 1024
"""Of all files in the directory together. More is no directory of settings or plugins, but of programs or data."""


class SmallDirectories(Rule):
    name = "small-directories"
    description = "The files in a directory that was listed, where they are few and small."
    profile = Profile.MINIMAL

    def keep(self, context: RuleContext) -> Iterable[Keep]:
        for directory, operations in sorted(context.used.items()) if context.first else ():
            if "readdir" in operations and directory in context.kept:
                for path in _few(context.image, directory):
                    yield Keep(path, f"the directory {shown(directory)} was listed")


def _few(image: ImageView, directory: bytes) -> Sequence[bytes]:
    """The paths in `directory`, none where they are many or large."""
    names = image.list(directory)
    if len(names) > MOST_ENTRIES:
        return ()
    paths = [posixpath.join(directory, name) for name in names]
    found = [image.lookup(path) for path in paths]
    size = sum(f.size for f in found if f and stat.S_ISREG(f.kind))
    return paths if size <= MOST_BYTES else ()
