"""The rule `timezones`: the time zone database, all zones or none (tzset(3)).

A trace shows the zone of the run; users set others by TZ, and data of other times and places names them. Every
libc reads /etc/localtime to tell the time: where nothing did, nothing needs a zone. Programs in Go may look one up at
any time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from cntr_core.rules import Keep, Rule, RuleContext

from .binaries import is_go
from .reading import keep_all, shown

_DATABASE = b"/usr/share/zoneinfo"
_LOCAL = b"/etc/localtime"
# Not zoneinfo/right, half of the database: the same zones for a clock that counts leap seconds (tzfile(5)).
_KEPT = (_DATABASE + b"/[!r]*", _DATABASE + b"/[!r]*/**", _LOCAL, b"/etc/timezone")


class Timezones(Rule):
    name = "timezones"
    description = "All zones of the time zone database, where a program tells the local time or Go's may, or TZ is set."

    def keep(self, context: RuleContext) -> Iterable[Keep]:
        local = context.image.lookup(_LOCAL)
        own = {local.path, *local.links} if local else set()
        because = ""
        if context.first and context.environment.get("TZ"):
            because = "the environment sets TZ"
        elif context.first and (_LOCAL in context.absent or not own.isdisjoint(context.used)):
            because = "a program tells the local time, for which users set TZ"
        elif _named(context.fresh, own) and not _named(context.kept - context.fresh, own):
            because = "a time zone was used by its name"
        elif program := next((path for path in sorted(context.fresh) if is_go(context.image, path)), b""):
            because = f"{shown(program)} is a program of Go's, which looks zones up by their names"
        if because:
            yield from keep_all(context.image, _KEPT, because)


def _named(paths: Iterable[bytes], own: Collection[bytes]) -> bool:
    zones = (path for path in paths if path.startswith(_DATABASE + b"/"))
    return any(not any(way == zone or way.startswith(zone + b"/") for way in own) for zone in zones)
