"""The rule `timezones`: the time zone database, all or nothing (tzset(3)).

A trace shows the zone of the run; users set others, and data of other times and places names them. A program that only
reads /etc/localtime, as every libc does to tell the time, asks for no zone by its name: then that one file is enough.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from cntr_core.rules import Keep, Rule, RuleContext

from .reading import keep_all

_DATABASE = b"/usr/share/zoneinfo"
_LOCAL = b"/etc/localtime"
_NAME = b"/etc/timezone"


class Timezones(Rule):
    name = "timezones"
    description = "The whole time zone database, where a zone was used by its name or the environment sets TZ."

    def keep(self, context: RuleContext) -> Iterable[Keep]:
        local = context.image.lookup(_LOCAL)
        own = {local.path, *local.links} if local else set()
        because = ""
        if context.first and context.environment.get("TZ"):
            because = "the environment sets TZ"
        elif _named(context.fresh, own) and not _named(context.kept - context.fresh, own):
            because = "a time zone was used by its name"
        if because:
            yield from keep_all(context.image, [_DATABASE + b"/**", _LOCAL, _NAME], because)


def _named(paths: Iterable[bytes], own: Collection[bytes]) -> bool:
    zones = (path for path in paths if path.startswith(_DATABASE + b"/"))
    return any(not any(way == zone or way.startswith(zone + b"/") for way in own) for zone in zones)
