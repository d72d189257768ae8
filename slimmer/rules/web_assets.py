"""The rule `web-assets`: what pages have their readers load, where a run asked for pages alone.

A server looks for the directory that it serves when the first page is asked for, or has it beside its source; scripts,
styles, pictures and fonts in it come with the next click, or in a browser at once. Those come first that sources and
pages name which were read.
"""

from __future__ import annotations

import posixpath
import re
import stat
from collections.abc import Iterable, Iterator

from cntr_core.rules import Found, ImageView, Keep, LeftOut, Rule, RuleContext

from .reading import shown, was_read, within

LIMIT = 8 << 20
"""Bytes. Those that are named come first, then the smallest."""

_SERVED = frozenset(b"public public_html static staticfiles assets dist www htdocs webroot wwwroot".split())
_PUBLIC = (b"public", b"static", b"www", b"htdocs")
_SOURCES = (b".js", b".mjs", b".cjs", b".py", b".rb", b".php", b".pl")
_SYSTEM = re.compile(rb"/(?:etc|proc|sys|dev|run|tmp|boot)(?:/|$)")
_ENDING = rb"\.(?:html?|js|mjs|css|json|svg|png|jpe?g|gif|ico|webp|woff2?|ttf|txt|webmanifest)"
_ASSET = re.compile(rb".*" + _ENDING)
_NAMED = re.compile(rb"[\w./@-]{1,200}?[\w-]" + _ENDING + rb"(?=[\"'`?)\s])")
_PAGE = re.compile(rb".*\.(?:html?|xhtml|mst|mustache|hbs|ejs|erb|pug|twig|jinja2?|j2|tm?pl|vue|svelte)")
_LARGEST_SOURCE = 1 << 19
_MOST_READ = 1 << 25


class WebAssets(Rule):
    name = "web-assets"
    description = (
        "Scripts, styles, pictures, fonts and pages in directories such as public, used or beside a source; "
        f"at most {LIMIT / 1e6:.0f} MB, those first that sources name, then the smallest."
    )
    limit = LIMIT

    def keep(self, context: RuleContext) -> Iterable[Keep | LeftOut]:
        if not context.first:
            return
        places = sorted({*filter(_is_served, context.used), *_beside_sources(context)})
        found = {one.path: (one, place) for place in places for one in _assets(context.image, place)}
        new = {path: each for path, each in found.items() if path not in context.kept}
        named = _named(context, new) if sum(asset.size for asset, _ in new.values()) > LIMIT else set()
        assets = (
            (path, new[path][0], f"may be served as other files in {shown(new[path][1])} are")
            for path in sorted(new, key=lambda path: (path not in named, new[path][0].size, path))
        )
        yield from within(LIMIT, assets, f"larger ones are beyond {LIMIT / 1e6:.0f} MB in all")


def _beside_sources(context: RuleContext) -> Iterator[bytes]:
    """Where a source that was used may serve files from, though none was asked for."""
    for directory in {posixpath.dirname(path) for path in context.used if path.endswith(_SOURCES)}:
        for name in _PUBLIC:
            path = posixpath.join(directory, name)
            found = context.image.lookup(path, follow=False)
            if found and stat.S_ISDIR(found.kind):
                yield path


def _named(context: RuleContext, assets: Iterable[bytes]) -> set[bytes]:
    """Those whose last names, with a directory or two, stand in a source or a page that was read."""
    left, words = _MOST_READ, set[bytes]()
    for path, operations in sorted(context.used.items()):
        if was_read(operations) and (path.endswith(_SOURCES) or _PAGE.fullmatch(path)):
            found = context.image.lookup(path, follow=False)
            if found and stat.S_ISREG(found.kind) and found.size <= min(left, _LARGEST_SOURCE):
                left -= found.size
                words |= {word.lstrip(b"./") for word in _NAMED.findall(context.image.read(path))}
    return {path for path in assets if any(name in words for name in _last_names(path))}


def _last_names(path: bytes) -> Iterator[bytes]:
    parts = path.split(b"/")
    return (b"/".join(parts[-count:]) for count in (1, 2, 3))


def _is_served(path: bytes) -> bool:
    return posixpath.basename(path) in _SERVED and not _SYSTEM.match(path)


def _assets(image: ImageView, place: bytes) -> Iterable[Found]:
    below = image.walk(place)
    return (one for one in below if stat.S_ISREG(one.kind) and _ASSET.fullmatch(posixpath.basename(one.path)))
