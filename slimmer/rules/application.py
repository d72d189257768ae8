"""The rule `application`: an application's own files, also those that a run did not come to: the other pages of a site,
modules that are required late, templates of other routes.

Which are its own is told by where they lie and by who owns them, not by what the image says of itself (labels and
history are strangers' words): below a directory of the application, in a layer above the base, and of no package.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterable, Iterator, Mapping

from cntr_core.rules import Found, ImageView, Keep, LeftOut, Rule, RuleContext

from .application_directories import directories
from .package import read_packages
from .reading import within

LIMIT = 64 << 20
"""Bytes. The smallest files come first: code is small, and what is large is data."""

_MANAGED = re.compile(
    rb"/(?:site-packages|dist-packages"  # pip
    rb"|node_modules|bower_components"  # npm
    rb"|ruby/[0-9][^/]*|vendor/bundle|vendor/cache"  # gem and bundler
    rb"|\.git|\.hg|\.svn)/"
)
_COMPOSER = b"/vendor/composer/installed.json"
_SYSTEM = (b"/bin/sh", b"/bin/busybox", b"/etc/os-release", b"/usr/lib/os-release", b"/etc/passwd", b"/usr/bin/env")


class Application(Rule):
    name = "application"
    description = (
        "The application's own files: of no package, in layers above the base, below its directories; "
        f"at most {LIMIT / 1e6:.0f} MB, the smallest first."
    )
    limit = LIMIT

    def keep(self, context: RuleContext) -> Iterable[Keep | LeftOut]:
        if not context.first or not (places := directories(context)):
            return
        own = sorted(_own(context, places), key=lambda each: (each[0].size, each[0].path))
        files = ((found.path, found, because) for found, because in own)
        yield from within(LIMIT, files, f"larger files are beyond {LIMIT / 1e6:.0f} MB in all")


def _own(context: RuleContext, places: Mapping[bytes, str]) -> Iterator[tuple[Found, str]]:
    """The application's files that are not kept yet, each once."""
    packages, base = read_packages(context.image), _base(context)
    composed: dict[bytes, bool] = {}
    for path, because in places.items():
        for found in _files(context.image, path):
            if found.layer <= base or found.path in context.kept or packages.owner_of(found.path):
                continue
            if not _is_managed(context.image, found.path, composed):
                yield found, f"no package has it, and it lies {because}"


def _files(image: ImageView, path: bytes) -> Iterator[Found]:
    """The file, or all files and links below the directory."""
    top = image.lookup(path, follow=False)
    below = image.walk(path) if top and stat.S_ISDIR(top.kind) else [top] if top else []
    return (found for found in below if stat.S_ISREG(found.kind) or stat.S_ISLNK(found.kind))


def _base(context: RuleContext) -> int:
    """The number of the base's layer: the lowest, if it has parts of a system and not all of the image; else -1."""
    if context.layers < 2:
        return -1
    found = (context.image.lookup(path) for path in _SYSTEM)
    return 0 if any(each and each.layer == 0 for each in found) else -1


def _is_managed(image: ImageView, path: bytes, composed: dict[bytes, bool]) -> bool:
    """Whether a package manager that has directories of its own put the file there."""
    if _MANAGED.search(path):
        return True
    project, vendor, _ = path.partition(b"/vendor/")
    if vendor and project not in composed:
        composed[project] = image.lookup(project + _COMPOSER) is not None
    return bool(vendor) and composed[project]
