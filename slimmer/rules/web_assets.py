"""The rule `web-assets`: what pages have their readers load, where a run asked for pages alone.

A server looks for the directory that it serves when the first page is asked for, or has it beside its source; scripts,
styles, pictures and fonts in it come with the next click, or in a browser at once.
"""

from __future__ import annotations

import posixpath
import re
import stat
from collections.abc import Iterable, Iterator

from cntr_core.rules import Found, ImageView, Keep, LeftOut, Rule, RuleContext

from .reading import shown

LIMIT = 8 << 20
"""Bytes. The smallest come first."""

_SERVED = frozenset(b"public public_html static staticfiles assets dist www htdocs webroot wwwroot".split())
_PUBLIC = (b"public", b"static", b"www", b"htdocs")
_SOURCES = (b".js", b".mjs", b".cjs", b".py", b".rb", b".php", b".pl")
_SYSTEM = re.compile(rb"/(?:etc|proc|sys|dev|run|tmp|boot)(?:/|$)")
_ASSET = re.compile(rb".*\.(?:html?|js|mjs|css|json|svg|png|jpe?g|gif|ico|webp|woff2?|ttf|txt|webmanifest)")


class WebAssets(Rule):
    name = "web-assets"
    description = (
        "Scripts, styles, pictures, fonts and pages in directories such as public, used or beside a source; "
        f"at most {LIMIT / 1e6:.0f} MB, the smallest first."
    )
    limit = LIMIT

    def keep(self, context: RuleContext) -> Iterable[Keep | LeftOut]:
        if not context.first:
            return
        places = sorted({*filter(_is_served, context.used), *_beside_sources(context)})
        found = {one.path: (one, place) for place in places for one in _assets(context.image, place)}
        left = LIMIT
        for path, (asset, place) in sorted(found.items(), key=lambda each: (each[1][0].size, each[0])):
            if path in context.kept:
                continue
            left -= asset.size
            because = f"may be served as other files in {shown(place)} are"
            if left >= 0:
                yield Keep(path, because)
            else:
                yield LeftOut(path, f"{because}, but larger ones are beyond {LIMIT / 1e6:.0f} MB in all")


def _beside_sources(context: RuleContext) -> Iterator[bytes]:
    """Where a source that was used may serve files from, though none was asked for."""
    for directory in {posixpath.dirname(path) for path in context.used if path.endswith(_SOURCES)}:
        for name in _PUBLIC:
            path = posixpath.join(directory, name)
            found = context.image.lookup(path, follow=False)
            if found and stat.S_ISDIR(found.kind):
                yield path


def _is_served(path: bytes) -> bool:
    return posixpath.basename(path) in _SERVED and not _SYSTEM.match(path)


def _assets(image: ImageView, place: bytes) -> Iterable[Found]:
    below = image.walk(place)
    return (one for one in below if stat.S_ISREG(one.kind) and _ASSET.fullmatch(posixpath.basename(one.path)))
