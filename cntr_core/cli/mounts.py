"""``--mount`` and ``--volume``, as docker reads them: what a new container has beside its image."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..dataclass import dataclass
from ..errors import UsageError

if TYPE_CHECKING:
    from ..runtime import ContainerMount

_KINDS = ("bind", "volume", "tmpfs")
_MODES = ("ro", "rw", "private", "rprivate", "slave", "rslave", "shared", "rshared")
_WITHOUT_EFFECT = ("z", "Z", "cached", "delegated", "consistent", "default")
"""For SELinux, and for docker on other systems."""
_NAMES = {"src": "source", "destination": "target", "dst": "target", "ro": "readonly"}
_SWITCHES = {"true": True, "1": True, "false": False, "0": False}
_VOLUME, _MOUNT = "write SOURCE:TARGET[:ro]", "write type=bind,source=PATH,target=PATH[,readonly]"


@dataclass(frozen=True, slots=True)
class Mounted:
    """What one `option` wants at `target`: a file or directory `source` of this machine (the `kind` ``bind``), a volume
    that is called `source`, or has no name, or a new filesystem in memory (``tmpfs``); with `modes` as mount(8) and
    docker have them."""

    option: str
    kind: str
    target: str
    source: str = ""
    modes: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """It as engines take it: ``SOURCE:TARGET:MODES``, without what is empty."""
        return ":".join(filter(None, (self.source, self.target, ",".join(self.modes))))


def read_mounts(mounts: Sequence[str], volumes: Sequence[str]) -> list[Mounted]:
    """What ``--mount`` and ``--volume`` want.

    :raises UsageError: one makes no sense, or two are for the same place.
    """
    found = [*map(_read_volume, volumes), *map(_read_mount, mounts)]
    places = {"/"}
    for each in found:
        if not each.target.startswith("/"):
            raise UsageError(f"{each.option}: '{each.target}' is no absolute path in the container", _hint(each.option))
        place = os.path.normpath(each.target)
        if place in places:
            raise UsageError(f"{each.option}: {each.target} is taken", "give another path in the container")
        places.add(place)
    return found


def own_mounts(found: Sequence[Mounted]) -> tuple[tuple[ContainerMount, ...], tuple[str, ...]]:
    """The same for a container of cntr's own: mounts, and the places of new volumes.

    :raises UsageError: there is no such file or directory, or it is for an engine.
    """
    nameless = [each.target for each in found if each.kind == "volume" and not each.source]
    return tuple(_own(each) for each in found if each.source or each.kind == "tmpfs"), tuple(nameless)


def _own(wanted: Mounted) -> ContainerMount:
    from ..runtime import ContainerMount

    if wanted.kind == "volume":
        hint = "write an absolute path, or one that begins with ./; or add --engine"
        raise UsageError(f"{wanted.option}: volumes with a name, as '{wanted.source}', belong to an engine", hint)
    if wanted.kind == "bind" and not os.path.exists(wanted.source):
        raise UsageError(f"{wanted.option}: there is no {wanted.source}", "create it first")
    modes = tuple(mode for mode in wanted.modes if mode not in _WITHOUT_EFFECT)
    unknown = [mode for mode in modes if wanted.kind == "bind" and mode not in _MODES]
    if unknown:
        raise UsageError(f"{wanted.option}: unknown mode '{unknown[0]}'", f"choose from {', '.join(_MODES)}")
    return ContainerMount(wanted.target, wanted.source, modes)


def _read_volume(text: str) -> Mounted:
    source, colon, rest = text.partition(":")
    target, *more = rest.split(":") if colon else [source]
    if len(more) > 1 or (colon and not source):
        raise UsageError(f"--volume: '{text}' is no volume", _VOLUME)
    modes = tuple(filter(None, more[0].split(","))) if more else ()
    if not colon:
        return Mounted("--volume", "volume", target)
    if source.startswith(("/", ".")):
        return Mounted("--volume", "bind", target, os.path.abspath(source), modes)
    return Mounted("--volume", "volume", target, source, modes)


def _read_mount(text: str) -> Mounted:
    values = _values(text)
    kind, source, target = (values.pop(name, "") for name in ("type", "source", "target"))
    kind = kind or "volume"
    if kind not in _KINDS:
        raise UsageError(f"--mount: unknown type '{kind}'", f"choose from {', '.join(_KINDS)}")
    if (kind == "bind") > bool(source) or (kind == "tmpfs" and source):
        raise UsageError(f"--mount: '{text}' has {'no' if kind == 'bind' else 'a'} source", _MOUNT)
    modes = tuple(mode for name, value in values.items() for mode in _modes(kind, name, value))
    return Mounted("--mount", kind, target, os.path.abspath(source) if kind == "bind" else source, modes)


def _values(text: str) -> dict[str, str]:
    """The fields of ``--mount``, which are a line of CSV, as docker has it."""
    values: dict[str, str] = {}
    for field in next(csv.reader([text]), []):
        name, separator, value = field.strip().partition("=")
        values[_NAMES.get(name.lower(), name.lower())] = value if separator else "true"
    return values


def _modes(kind: str, name: str, value: str) -> list[str]:
    """A field that is not of all kinds."""
    if name == "readonly" and value.lower() in _SWITCHES:
        return ["ro"] if _SWITCHES[value.lower()] else []
    known = {
        ("bind", "bind-propagation"): value,
        ("bind", "consistency"): value,
        ("tmpfs", "tmpfs-size"): f"size={value}",
        ("tmpfs", "tmpfs-mode"): f"mode={value}",
        ("volume", "volume-nocopy"): "nocopy",
    }
    if (kind, name) not in known:
        raise UsageError(f"--mount: '{name}={value}' means nothing for a {kind}", _MOUNT)
    return [known[kind, name]]


def _hint(option: str) -> str:
    return _MOUNT if option == "--mount" else _VOLUME
