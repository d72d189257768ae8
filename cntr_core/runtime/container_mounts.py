"""What is mounted in a container beside its image: files and directories of the host, and memory (runtime-spec)."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from typing import Any

from ..dataclass import dataclass


@dataclass(frozen=True, slots=True)
class ContainerMount:
    """The file or directory `source` of the host, with all that is mounted below it, at `target`; where `source` is
    empty, a new filesystem in memory. `options` are words of mount(8)."""

    target: str
    source: str = ""
    options: tuple[str, ...] = ()

    def entry(self) -> dict[str, Any]:
        """It in config.json. Of several options that contradict, the last counts."""
        if self.source:
            return mount_entry(self.target, "bind", ["rbind", "rprivate", *self.options], self.source)
        return mount_entry(self.target, "tmpfs", ["nosuid", "nodev", "noexec", *self.options])


def mount_entry(target: str, kind: str, options: list[str], source: str = "") -> dict[str, Any]:
    """A mount in config.json."""
    return {"destination": target, "type": kind, "source": source or kind, "options": options}


def in_order(entries: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """One mount for each place, where the last one counts, and those below others after them."""
    by_place = {posixpath.normpath(entry["destination"]): entry for entry in entries}
    return [by_place[place] for place in sorted(by_place, key=lambda place: place.count("/"))]
