"""The rule `users`: who is who, and PAM (passwd(5), pam.conf(5))."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator

from cntr_core.rules import ImageView, Keep, Profile, Rule, RuleContext

from .globs import expand
from .reading import keep_all, lines, shown

_TABLES = (b"/etc/passwd", b"/etc/group")
_PAM = re.compile(rb"(libpam|pam_\w+)\.so(\.\d+)*")
_SERVICES = (b"/etc/pam.d/*", b"/etc/pam.conf", b"/usr/lib/pam.d/*")
_SETTINGS = (
    b"/etc/security/**",
    b"/etc/login.defs",
    b"/etc/shells",
    b"/etc/environment",
    b"/etc/default/locale",
    b"/etc/shadow",
    b"/etc/gshadow",
    b"/usr/sbin/unix_chkpwd",  # pam_unix(8) asks it where the user may not read shadow
)
_MODULE = re.compile(rb"\s([\w./-]+\.so)(?!\S)")
_MODULE_PLACES = (
    b"/lib/*/security",
    b"/lib/security",
    b"/lib64/security",
    b"/usr/lib/*/security",
    b"/usr/lib/security",
)


class Users(Rule):
    name = "users"
    description = "The tables of users and groups; with PAM its settings, and the modules that these name."
    profile = Profile.MINIMAL

    def keep(self, context: RuleContext) -> Iterable[Keep]:
        for table in _TABLES if context.first else ():
            yield Keep(table, "users and groups have their names in it")
        if any(_PAM.fullmatch(posixpath.basename(path)) for path in context.fresh):
            yield from _pam(context.image)


def _pam(image: ImageView) -> Iterator[Keep]:
    yield from keep_all(image, _SERVICES + _SETTINGS, "PAM reads it when somebody logs in or changes the user")
    places = [place for pattern in _MODULE_PLACES for place in expand(image, pattern)]
    for file in (file for pattern in _SERVICES for file in expand(image, pattern)):
        for line in lines(image, file):
            for module in _MODULE.findall(line):
                for place in places:
                    yield Keep(posixpath.join(place, module), f"{shown(file)} names this PAM module")
