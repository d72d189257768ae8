"""The packages of an archive, and which of them belong together (deb-control(5), Debian policy 7)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from ..dataclass import dataclass
from ..errors import ImageError, UsageError

_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]{1,127}")
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+~%-]*(/[A-Za-z0-9_][A-Za-z0-9_.+~%:-]*)*\.deb")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_VERSION = re.compile(r"[A-Za-z0-9.+:~-]{1,128}")
_PRIORITIES = ("required", "important", "standard", "optional")

_OF_LAYOUT = ("usr-is-merged",)
"""Needs nothing, and spares the program that would merge ``/bin`` and ``/usr/bin``, with all of Perl: they are one."""

Fields = dict[str, str]
"""A paragraph: its fields by their names in lower case."""


@dataclass(frozen=True, slots=True)
class Package:
    """A package of an archive; `file` is its path there, `size` and `sha256` are that file's.

    `depends` has a sequence of alternatives for each package that it needs.
    """

    name: str
    version: str
    architecture: str
    file: str
    size: int
    sha256: str
    depends: tuple[tuple[str, ...], ...]
    conflicts: tuple[str, ...]
    provides: tuple[str, ...]


def fields(paragraph: str) -> Fields:
    """The fields of one paragraph; a field's further lines are joined to the first by line breaks."""
    found: Fields = {}
    key = ""
    for line in paragraph.splitlines():
        if line[:1] in (" ", "\t"):
            found[key] = f"{found.get(key, '')}\n{line[1:]}"
        elif ":" in line:
            key, _, value = line.partition(":")
            key = key.lower()
            found[key] = value.strip()
    return found


class PackageIndex:
    """What a file ``Packages`` lists. Of 60,000 paragraphs only those that are asked for are read."""

    def __init__(self, text: str) -> None:
        self._paragraphs: dict[str, str] = {}
        self._providers: dict[str, list[str]] = {}
        self.essential: list[str] = []
        for paragraph in text.split("\n\n"):
            self._add(paragraph)
        self._read: dict[str, Package] = {}

    def _add(self, paragraph: str) -> None:
        name = paragraph.lstrip("\n").partition("\n")[0].removeprefix("Package: ")
        if not _NAME.fullmatch(name):
            return
        self._paragraphs[name] = paragraph
        if "\nEssential: yes" in paragraph:
            self.essential.append(name)
        if "\nProvides: " in paragraph:
            for provided in _names(fields(paragraph).get("provides", "")):
                self._providers.setdefault(provided, []).append(name)

    def has(self, name: str) -> bool:
        """Whether there is a package of this very name."""
        return name in self._paragraphs

    def find(self, name: str) -> Package | None:
        """The package called `name`, or the one of the highest priority that provides it; None where there is none.

        :raises ImageError: its paragraph is not what it should be.
        """
        if name not in self._paragraphs:
            name = min(self._providers.get(name, []), key=self._rank, default="")
        if name and name not in self._read:
            self._read[name] = _package(name, fields(self._paragraphs[name]))
        return self._read.get(name)

    def _rank(self, name: str) -> tuple[int, str]:
        priority = fields(self._paragraphs[name]).get("priority", "")
        return (_PRIORITIES.index(priority) if priority in _PRIORITIES else len(_PRIORITIES), name)


def _package(name: str, of: Fields) -> Package:
    wanted = {"version": _VERSION, "filename": _FILE, "sha256": _DIGEST, "size": re.compile(r"\d{1,10}")}
    for key, pattern in wanted.items():
        if not pattern.fullmatch(of.get(key, "")):
            raise ImageError(f"the archive's package {name} has no valid field {key}", "try another mirror")
    depends = [*_relations(of.get("pre-depends", "")), *_relations(of.get("depends", ""))]
    return Package(
        name,
        of["version"],
        of.get("architecture", ""),
        of["filename"],
        int(of["size"]),
        of["sha256"],
        tuple(tuple(_names(alternatives, "|")) for alternatives in depends),
        tuple(_names(",".join(one for one in _relations(of.get("conflicts", "")) if "(" not in one))),
        tuple(_names(of.get("provides", ""))),
    )


def _relations(text: str) -> Iterator[str]:
    return (part for part in text.split(",") if part.strip())


def _names(text: str, separator: str = ",") -> Iterator[str]:
    """The names of relations, without versions and architectures: those of one suite fit together."""
    for part in text.split(separator):
        if name := re.split(r"[\s(:\[]", part.strip(), maxsplit=1)[0]:
            yield name


def checked_names(names: Iterable[str]) -> list[str]:
    """`names`, each once; :raises UsageError: one is not the name of a package (Debian policy 5.6.1)."""
    for name in names:
        if not _NAME.fullmatch(name):
            raise UsageError(f"'{name}' is not the name of a Debian package", "write names such as strace or vim-tiny")
    return list(dict.fromkeys(names))


def closure(index: PackageIndex, wanted: Sequence[str]) -> list[Package]:
    """The packages called `wanted`, the essential ones, and all that they need, by their names.

    Of alternatives it is the one that is chosen already, or else the first that there is.

    :raises UsageError: there is no such package, or two of them exclude each other.
    :raises ImageError: the archive lacks what one needs.
    """
    chosen = _Chosen()
    for name in wanted:
        package = index.find(name)
        if package is None:
            raise UsageError(f"the archive has no package {name}", "look for its name at packages.debian.org")
        chosen.add(package)
    for name in (*index.essential, *filter(index.has, _OF_LAYOUT)):
        chosen.add(_needed(index, (name,), "the system"))
    for package in chosen.pending():
        for alternatives in package.depends:
            if not chosen.has_any(alternatives):
                chosen.add(_needed(index, alternatives, package.name))
    chosen.check_conflicts()
    return sorted(chosen.packages.values(), key=lambda package: package.name)


def _needed(index: PackageIndex, alternatives: Sequence[str], by: str) -> Package:
    for name in alternatives:
        if package := index.find(name):
            return package
    raise ImageError(f"the archive lacks {' or '.join(alternatives)}, which {by} needs", "try another suite or mirror")


class _Chosen:
    """Packages, and what they provide."""

    def __init__(self) -> None:
        self.packages: dict[str, Package] = {}
        self._order: list[Package] = []
        self._provided: dict[str, str] = {}

    def add(self, package: Package) -> None:
        if package.name not in self.packages:
            self.packages[package.name] = package
            self._order.append(package)
            self._provided |= dict.fromkeys(package.provides, package.name)

    def has_any(self, names: Sequence[str]) -> bool:
        return any(name in self.packages or name in self._provided for name in names)

    def pending(self) -> Iterator[Package]:
        """All, also those that are added meanwhile."""
        yield from self._order

    def check_conflicts(self) -> None:
        for package in self.packages.values():
            for name in package.conflicts:
                other = name if name in self.packages else self._provided.get(name, package.name)
                if other != package.name:
                    raise UsageError(f"the packages {package.name} and {other} exclude each other", "leave one out")
