"""The rule `libc`: what a C library opens by name, depending on data, users and failures.

nsswitch.conf(5), locale(7), iconv(1), gai.conf(5), pthread_cancel(3).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator

from cntr_core.rules import ImageView, Keep, Profile, Rule, RuleContext

from .binaries import read_binary
from .loader import LibrarySearch
from .reading import keep_all, lines, shown

_GLIBC = b"libc.so.6"
_NSSWITCH = b"/etc/nsswitch.conf"
_TABLES = (
    b"hosts",
    b"host.conf",
    b"resolv.conf",
    b"gai.conf",
    b"networks",
    b"protocols",
    b"services",
    b"nsswitch.conf",
)
_DEFAULT_SERVICES = (b"files", b"dns")  # what glibc takes without nsswitch.conf
_ACTION = re.compile(rb"\[[^]]*\]")
_GCONV = (b"gconv-modules", b"gconv-modules.cache", b"gconv-modules.d/*")
_LOCALES = b"/usr/lib/locale/"
_VARIABLES = ("LC_ALL", "LC_CTYPE", "LANG")
_PLAIN = ("", "C", "POSIX")


class Libc(Rule):
    name = "libc"
    description = "Name services, character sets and locales of the C library, and the tables in /etc that it reads."
    profile = Profile.MINIMAL

    def keep(self, context: RuleContext) -> Iterable[Keep]:
        for table in _TABLES if context.first else ():  # programs without a libc read them too, such as Go's
            yield Keep(b"/etc/" + table, "names of hosts and services are looked up in it")
        for path in sorted(context.fresh):
            if posixpath.basename(path) == _GLIBC:
                yield from _opened_by_name(context, path)
            elif posixpath.basename(posixpath.dirname(path)) == b"gconv":
                because = f"without it iconv does not find {shown(path)}"
                yield from keep_all(context.image, _GCONV, because, posixpath.dirname(path))
        if context.first:
            yield from _locales(context)


def _opened_by_name(context: RuleContext, libc: bytes) -> Iterator[Keep]:
    """The libraries that glibc loads by dlopen(3)."""
    binary = read_binary(context.image, libc)
    if binary is None:
        return
    search = LibrarySearch(context.image, context.environment)
    reasons = {b"libgcc_s.so.1": "glibc loads it when a thread is cancelled"}
    for service in _services(context.image):
        reasons[b"libnss_%s.so.2" % service] = f"/etc/nsswitch.conf has users or hosts looked up by '{shown(service)}'"
    for library, because in reasons.items():
        for path in search.find(library, binary, posixpath.dirname(libc)):
            yield Keep(path, because)


def _services(image: ImageView) -> list[bytes]:
    """Those that nsswitch.conf names, without ``[NOTFOUND=return]`` and the like."""
    named = [service for line in lines(image, _NSSWITCH) for service in _ACTION.sub(b" ", line).split()[1:]]
    return list(dict.fromkeys(named)) or list(_DEFAULT_SERVICES)


def _locales(context: RuleContext) -> Iterator[Keep]:
    """The image's own locale; C.UTF-8 too, where anything looked for a locale at all."""
    environment = context.environment
    value = next((environment[v] for v in _VARIABLES if environment.get(v)), "")
    names = _spellings(value) if value not in _PLAIN else []
    for name in names:
        yield from _locale(context.image, name, f"the environment sets the locale {value}")
    if names and not any(context.image.list(_LOCALES + name) for name in names):
        yield Keep(_LOCALES + b"locale-archive", f"the environment sets the locale {value}")
    if names or any(path.startswith(_LOCALES) for path in (*context.used, *context.absent)):
        yield from _locale(context.image, b"C.utf8", "programs looked for a locale, and this one is always there")
        yield from _locale(context.image, b"C.UTF-8", "programs looked for a locale, and this one is always there")


def _locale(image: ImageView, name: bytes, because: str) -> Iterator[Keep]:
    return keep_all(image, [b"**"], because, _LOCALES + name)


def _spellings(value: str) -> list[bytes]:
    """The directories in which setlocale(3) looks for ``de_DE.UTF-8@euro``, the most exact first."""
    rest, at, modifier = value.partition("@")
    language, dot, charset = rest.partition(".")
    short = re.sub("[^a-z0-9]", "", charset.lower())
    bases = dict.fromkeys(
        [f"{language}{dot}{charset}", f"{language}{dot}{short}", language, language.partition("_")[0]]
    )
    return [(base + end).encode() for base in bases for end in dict.fromkeys([at + modifier, ""])]
