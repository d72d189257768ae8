"""Entry points as importlib.metadata finds them, which takes 15 ms to import, and is asked for archives alone."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from importlib import metadata


class EntryPoint(NamedTuple):
    """A name that a distribution gives to one of its objects, ``MODULE`` or ``MODULE:ATTRIBUTE``; `place` has the
    distribution's metadata."""

    name: str
    value: str
    place: str

    @property
    def module(self) -> str:
        return self.value.partition(":")[0].strip()

    def load(self) -> Any:
        """The object; whatever its module raises is raised here."""
        found: Any = import_module(self.module)
        for attribute in filter(None, self.value.partition(":")[2].partition("[")[0].strip().split(".")):
            found = getattr(found, attribute)
        return found

    @property
    def dist(self) -> metadata.Distribution:
        """Who has it."""
        from importlib.metadata import Distribution

        return Distribution.at(self.place)


if TYPE_CHECKING:
    AnyEntryPoint = EntryPoint | metadata.EntryPoint


def entry_points(group: str) -> Sequence[AnyEntryPoint]:
    """Those of a group, of all distributions; of two that have one name, the first on the path counts."""
    if any(map(os.path.isfile, sys.path)):  # an archive
        from importlib.metadata import entry_points as found_by_python

        return tuple(found_by_python(group=group))
    names: set[str] = set()
    found: list[EntryPoint] = []
    for name, place in _distributions():
        if name not in names:
            names.add(name)
            found += _of(place, group)
    return found


def installed(group: str) -> list[tuple[str, int]] | None:
    """The metadata of each distribution, and when they were put there (nanoseconds): another list when something is
    installed, replaced or removed. None where that does not tell, since code with entry points of the group is run from
    where it is worked on (PEP 610, "editable"), or from an archive."""
    if any(map(os.path.isfile, sys.path)):
        return None
    found = [(place, os.stat(place).st_ctime_ns) for _, place in _distributions()]
    worked_on = (place for place, _ in found if place.endswith(".egg-info") or _is_editable(place))
    return None if any(any(_of(place, group)) for place in worked_on) else found


def _is_editable(place: str) -> bool:
    try:
        with open(os.path.join(place, "direct_url.json"), encoding="utf-8") as file:
            return "editable" in file.read()
    except (OSError, ValueError):
        return False


def _distributions() -> Iterator[tuple[str, str]]:
    """The name of each distribution, and the directory of its metadata (PEP 376; egg-info is setuptools' own)."""
    for directory in sys.path:
        try:
            entries = os.listdir(directory or ".")
        except OSError:
            continue
        for entry in sorted(entries):
            stem, _, kind = entry.rpartition(".")
            if kind in ("dist-info", "egg-info"):
                yield stem.partition("-")[0].lower().replace(".", "_"), os.path.join(directory, entry)


def _of(place: str, group: str) -> Iterator[EntryPoint]:
    """Of one distribution (PyPA specification "Entry points": an INI file)."""
    try:
        with open(os.path.join(place, "entry_points.txt"), encoding="utf-8") as file:
            text = file.read()
    except (OSError, ValueError):
        return
    is_in_group = False
    for line in map(str.strip, text.splitlines() if f"[{group}]" in text else ()):
        if line.startswith("["):
            is_in_group = line == f"[{group}]"
        elif is_in_group and "=" in line and line[0] not in "#;":
            name, _, value = line.partition("=")
            yield EntryPoint(name.strip(), value.strip(), place)
