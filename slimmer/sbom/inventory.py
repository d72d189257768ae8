"""The packages of an image, whoever installed them, and which of them an image has files of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cntr_core.rules import ImageView

from ..rules.package import Package, PackageDatabase
from ..rules.reading import lines
from .languages import node_packages, python_packages

_KINDS = {"dpkg": "deb", "apk": "apk"}


@dataclass(frozen=True, slots=True)
class Distribution:
    """What os-release(5) says: ``debian`` and ``12``; empty where nothing does."""

    name: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """A package. `kind` is the type of its package URL: ``deb``, ``apk``, ``pypi`` or ``npm``. `files` are the real
    paths of what it brought, without what only describes it; None where nobody knows."""

    kind: str
    name: str
    version: str
    architecture: str = ""
    source: str = ""
    files: frozenset[bytes] | None = frozenset()


def parts_of(view: ImageView, packages: PackageDatabase) -> tuple[Part, ...]:
    """All packages of the image. A package of a language that a package of the system brought is that one's."""
    found = [_of_system(package, packages) for package in packages]
    paths = [each.path for each in view.walk()]
    for language in (python_packages(view, paths), node_packages(view, paths)):
        found += [
            Part(one.kind, one.name, one.version, files=one.files)
            for one in language
            if packages.owner_of(one.description) is None
        ]
    return tuple(sorted(_merged(found), key=lambda part: (part.kind, part.name, part.version)))


def _of_system(package: Package, packages: PackageDatabase) -> Part:
    return Part(
        _KINDS[package.manager],
        package.name,
        package.version,
        package.architecture,
        package.source if package.source != package.name else "",
        frozenset(packages.files_of(package)) if packages.lists(package) else None,
    )


def _merged(parts: Iterable[Part]) -> Iterable[Part]:
    """One of those that are installed at several places, as npm does."""
    found: dict[tuple[str, ...], Part] = {}
    for part in parts:
        key = (part.kind, part.name, part.version, part.architecture)
        before = found[key].files if key in found else frozenset[bytes]()
        files = None if part.files is None or before is None else part.files | before
        found[key] = Part(*key, part.source, files)
    return found.values()


def distribution(view: ImageView) -> Distribution:
    """Of which distribution the image is."""
    said = dict(_pair(line) for place in (b"/usr/lib/os-release", b"/etc/os-release") for line in lines(view, place))
    return Distribution(said.get("ID", ""), said.get("VERSION_ID", ""))


def _pair(line: bytes) -> tuple[str, str]:
    key, _, value = line.decode(errors="replace").partition("=")
    return key.strip(), value.strip().strip("\"'")
