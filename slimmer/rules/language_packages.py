"""The rule `language-packages`: whole gems, Node.js and Composer packages and CPAN distributions of what was used.

Where a package manager has put a package is told by its path: RubyGems' ``gems/NAME-VERSION``, npm's
``node_modules/NAME``, Composer's ``vendor/OWNER/NAME``. CPAN's distributions lie among each other, and have a list of
their files, ``auto/NAME/.packlist`` (ExtUtils::Packlist). For Python's see `python-packages`, for Perl's of a
system `perl-library`.
"""

from __future__ import annotations

import posixpath
import re
import stat
from collections.abc import Iterable, Iterator

from cntr_core.rules import ImageView, Keep, Profile, Rule, RuleContext

from .globs import expand
from .reading import content, regular, shown, was_read

_HOME = re.compile(
    rb"(?P<gem>.*/gems/[^/]+-[0-9][^/]*)/.*"
    rb"|(?P<node>.*/node_modules/(?:@[^/]+/)?(?!node_modules/)[^/@.][^/]*)/.*"
    rb"|(?P<composer>(?P<vendor>.*/vendor)/(?!composer/|bin/)[^/]+/[^/]+)/.*",
    re.DOTALL,
)
_DESCRIPTIONS = (b"package.json", b"composer.json")  # whoever looks for a package reads them, and may not use it
_NESTED = b"/node_modules/"
_MODULE = re.compile(
    rb"(?P<library>.*/(?:perl5?|site_perl|vendor_perl)(?:/5[^/]*)?(?:/[^/]*-linux[^/]*)?)/(?P<name>[A-Za-z].*)\.pm",
    re.DOTALL,
)


class LanguagePackages(Rule):
    name = "language-packages"
    description = (
        "The whole of each gem, Node.js package, Composer package and CPAN distribution of which a file was read."
    )
    profile = Profile.CAREFUL

    def keep(self, context: RuleContext) -> Iterable[Keep]:
        if not context.first:
            return
        read = [path for path, operations in sorted(context.used.items()) if was_read(operations)]
        homes = dict.fromkeys(home for path in read if (home := _home(context.image, path)))
        for home in homes:
            yield from _whole(context.image, home)
        for packlist in dict.fromkeys(found for path in read for found in _packlist(context.image, path)):
            yield from _listed(context.image, packlist)


def _home(image: ImageView, path: bytes) -> bytes:
    """The directory of the package, the innermost; empty where it is of none."""
    match = _HOME.fullmatch(path)
    if match is None or posixpath.basename(path) in _DESCRIPTIONS:
        return b""
    if match["vendor"] and not image.list(match["vendor"] + b"/composer"):
        return b""
    return match["gem"] or match["node"] or match["composer"]


def _whole(image: ImageView, home: bytes) -> Iterator[Keep]:
    for found in image.walk(home):
        if not stat.S_ISDIR(found.kind) and _NESTED not in found.path[len(home) :]:
            yield Keep(found.path, f"parts of the package {shown(home)} were used")


def _packlist(image: ImageView, path: bytes) -> Iterator[bytes]:
    """The lists of the distributions that a Perl module may belong to: of its own name, and of those above."""
    match = _MODULE.fullmatch(path)
    if match is None:
        return
    # Beside the module, in the directory for the processor, and as Debian divides both.
    places = [match["library"], *expand(image, b"*-linux*", match["library"])]
    places += expand(image, match["library"].replace(b"/share/perl/", b"/lib/*/perl/", 1))
    name = match["name"]
    while name:
        lists = (posixpath.join(place, b"auto", name, b".packlist") for place in places)
        yield from (one for one in lists if regular(image, one))
        name = posixpath.dirname(name)


def _listed(image: ImageView, packlist: bytes) -> Iterator[Keep]:
    because = f"of the distribution {shown(posixpath.dirname(packlist))}, of which parts were used"
    for line in content(image, packlist).splitlines():
        path = line.partition(b" ")[0]
        if path.startswith(b"/") and regular(image, path):
            yield Keep(path, because)
