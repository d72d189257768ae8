"""The rule `php-pages`: the other pages of a site in PHP, whoever has put them there.

Each script is a page, or a class that an autoloader finds by its name; which one comes next is the visitor's choice.
The rule `application` has what an image's own author wrote; here it is what a distribution's package or Composer
brought.
"""

from __future__ import annotations

import posixpath
import re
import stat
from collections.abc import Iterable, Iterator

from cntr_core.rules import Found, ImageView, Keep, LeftOut, Rule, RuleContext

from .application_directories import directories

LIMIT = 32 << 20
"""Bytes. The smallest come first."""

_INTERPRETER = re.compile(rb"php(?:-fpm|-cgi)?[\d.]*|libphp[\d.]*\.so|mod_php[\d.]*\.so")
_PAGE = re.compile(rb".*\.(?:php|inc|phtml|module|theme|tpl|twig|latte|mustache|ini)")
_OTHERS = frozenset((b"tests", b"test", b"docs", b"doc", b"node_modules", b".git"))


class PhpPages(Rule):
    name = "php-pages"
    description = (
        "PHP's scripts and templates below the application's directories, also those of packages; "
        f"at most {LIMIT / 1e6:.0f} MB, the smallest first."
    )
    limit = LIMIT

    def keep(self, context: RuleContext) -> Iterable[Keep | LeftOut]:
        if not context.first or not any(map(_INTERPRETER.fullmatch, map(posixpath.basename, context.kept))):
            return
        found = {page.path: page for place in directories(context) for page in _pages(context.image, place)}
        left = LIMIT
        for page in sorted(found.values(), key=lambda each: (each.size, each.path)):
            if page.path in context.kept:
                continue
            left -= page.size
            because = "a page or a part of one, in a directory of the application"
            if left >= 0:
                yield Keep(page.path, because)
            else:
                yield LeftOut(page.path, f"{because}, but larger ones are beyond {LIMIT / 1e6:.0f} MB in all")


def _pages(image: ImageView, top: bytes) -> Iterator[Found]:
    """The pages below, by links to directories, too: distributions put them elsewhere."""
    pending, seen = [top], set[bytes]()
    while pending:
        place = image.lookup(pending.pop())
        if place is None or place.path in seen or place.path == b"/":
            continue
        seen.add(place.path)
        for name in image.list(place.path) if stat.S_ISDIR(place.kind) else ():
            below = image.lookup(posixpath.join(place.path, name))
            if below and stat.S_ISDIR(below.kind) and name not in _OTHERS:
                pending.append(below.path)
            elif below and stat.S_ISREG(below.kind) and _PAGE.fullmatch(name):
                yield below
