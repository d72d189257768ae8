"""Which containers podman's storage lists: all that podman has (containers/storage, containers.go), also those of
``--rootfs`` and renamed ones. Who is not there need not be asked for by a service, whose start takes longer than ours.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from cntr_core.json_text import read_json

if TYPE_CHECKING:
    from .service import Owner

_OF_ROOT = ("/var/lib/containers/storage", "/run/containers/storage")
_SYSTEMS = ("/etc/containers", "/usr/share/containers")
_VARIABLES = ("CONTAINERS_STORAGE_CONF", "STORAGE_DRIVER", "STORAGE_OPTS")
_PLACE = re.compile(r"^\s*(?:graphroot|runroot|rootless_storage_path)\s*=\s*(.*?)\s*(?:#.*)?$", re.MULTILINE)
"""A setting of containers-storage.conf(5) that says where containers are."""
_VOLATILE = "volatile-containers.json"
"""Containers of ``--rm`` (containers/storage 1.43), beside the others; with ``--transient-store`` all, in what does not
last."""


def is_listed(owner: Owner, name: str = "") -> bool:
    """Whether a container of our own podman may answer to `name`, to any for the empty one; True as well where that
    cannot be told by looking."""
    try:
        places = _places(owner)
        if _is_set_otherwise(owner, places):
            return True
        return any(name in names or identifier.startswith(name) for identifier, names in _listed(*places))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):  # no list, or another format
        return True


def _listed(lasting: str, running: str) -> Iterator[tuple[str, list[str]]]:
    """The id and the names of each container.

    :raises OSError: there is no list.
    """
    stores = [entry for entry in os.listdir(lasting) if entry.endswith("-containers")]
    if not stores:
        raise FileNotFoundError(lasting)
    for store in stores:
        yield from _read(os.path.join(lasting, store, "containers.json"))
        for place in (lasting, running):
            volatile = os.path.join(place, store, _VOLATILE)
            if os.path.exists(volatile):
                yield from _read(volatile)


def _read(path: str) -> Iterator[tuple[str, list[str]]]:
    with open(path, encoding="utf-8") as file:
        for entry in read_json(file.read()):
            yield str(entry["id"]), list(entry.get("names") or ())


def _places(owner: Owner) -> tuple[str, str]:
    """What lasts, and what the next start of the machine ends."""
    if owner.uid == 0:
        return _OF_ROOT
    return f"{owner.data_directory}/containers/storage", f"{owner.runtime_directory}/containers"


def _is_set_otherwise(owner: Owner, places: tuple[str, str]) -> bool:
    """Whether a setting may name another place."""
    if any(map(os.environ.get, _VARIABLES)):
        return True
    own = os.environ.get("XDG_CONFIG_HOME") or f"{owner.home}/.config"
    directories = (f"{own}/containers", *_SYSTEMS)
    files = [path for path in (f"{directory}/storage.conf" for directory in directories) if os.path.exists(path)]
    if any(os.path.exists(f"{directory}/storage.conf.d") for directory in directories):
        return True
    return any(_names_others(path, {*places, *_OF_ROOT}) for path in files)


def _names_others(path: str, known: set[str]) -> bool:
    with open(path, encoding="utf-8") as file:
        return any(value.strip("\"'") not in known for value in _PLACE.findall(file.read()))
