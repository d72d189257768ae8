"""The rule `timezones`: the time zone database, all or nothing (tzset(3)).

A trace shows the zone of the run; users set others, and data of other times and places names them.
"""

from __future__ import annotations

from collections.abc import Iterable

from cntr_core.rules import Keep, Rule, RuleContext

from .reading import keep_all

_DATABASE = b"/usr/share/zoneinfo"
_LOCAL = (b"/etc/localtime", b"/etc/timezone")


class Timezones(Rule):
    name = "timezones"
    description = "The whole time zone database, where any of it was used or the environment sets TZ."

    def keep(self, context: RuleContext) -> Iterable[Keep]:
        because = ""
        if context.first and context.environment.get("TZ"):
            because = "the environment sets TZ"
        elif _used(context.fresh) and not _used(context.kept - context.fresh):
            because = "the time zone database is used"
        if because:
            yield from keep_all(context.image, [_DATABASE + b"/**", *_LOCAL], because)


def _used(paths: Iterable[bytes]) -> bool:
    return any(path in _LOCAL or path.startswith(_DATABASE + b"/") for path in paths)
