"""The rule `package-metadata`: what package managers of languages have noted about all that they installed.

Programs ask by name for a version, a plugin or an entry point, of packages that no run has come to as well: Python's
importlib.metadata (PEP 376, entry points), ``require("x/package.json")`` of Node.js. Gems' specifications are in
presets.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator

from cntr_core.rules import ImageView, Keep, Rule, RuleContext

from .python import is_metadata
from .python_path import SITES
from .reading import shown

_NODE_MODULES = b"node_modules"
_PYTHON_FILES = (b"METADATA", b"PKG-INFO", b"entry_points.txt", b"top_level.txt")


class PackageMetadata(Rule):
    name = "package-metadata"
    description = "Names, versions and entry points of all packages beside those in use: Python's and Node.js's."

    def keep(self, context: RuleContext) -> Iterable[Keep]:
        for directory in sorted(context.fresh):
            name = posixpath.basename(directory)
            if name in SITES:
                yield from _of_site(context.image, directory)
            elif name == _NODE_MODULES:
                yield from _of_node_modules(context.image, directory)


def _of_site(image: ImageView, site: bytes) -> Iterator[Keep]:
    because = f"programs look up the packages that are installed in {shown(site)}"
    for name in filter(is_metadata, image.list(site)):
        metadata = posixpath.join(site, name)
        yield Keep(metadata, because)  # of distutils it is a file
        for file in _PYTHON_FILES:
            yield Keep(posixpath.join(metadata, file), because)


def _of_node_modules(image: ImageView, directory: bytes) -> Iterator[Keep]:
    because = f"programs look up the packages that are installed in {shown(directory)}"
    for name in image.list(directory):
        below = posixpath.join(directory, name)
        for package in [posixpath.join(below, one) for one in image.list(below)] if name.startswith(b"@") else [below]:
            yield Keep(posixpath.join(package, b"package.json"), because)
