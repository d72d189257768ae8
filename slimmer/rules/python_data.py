"""The rule `python-data`: data files that Python packages bring beside their sources, where a kept source names them.

Packages find them around ``__file__`` or by importlib.resources, by a name that stands in a literal: a directory such
as ``"locale-data"``, a file such as ``"cacert.pem"``. Which file of a directory is read next, data say.
"""

from __future__ import annotations

import os
import posixpath
import re
import stat
from collections.abc import Iterable, Iterator

from cntr_core.rules import Found, ImageView, Keep, LeftOut, Rule, RuleContext

from .python import is_metadata
from .python_path import SITES, ModulePath
from .python_source import Imported, imported
from .reading import regular, shown, was_read, within

LIMIT = 32 << 20
"""Bytes of a directory. The smallest files come first."""

LARGEST = 1 << 22
"""Bytes of a source that is read."""

_CONVENTIONS = frozenset((b"templates", b"locale", b"translations"))
"""Directories of a package that was used and that frameworks look into by themselves: Django's, Flask's, gettext's."""

_LITERAL = re.compile(rb"""["']([\w./ -]{1,200})["']""")
_SEPARATOR = re.compile(rb"[./]")
_CODE = re.compile(rb".+\.(?:py[a-z]?|pxd|pxi|typed|[cha]|cc|cu|cuh|[ch]pp|hh|f90|o|lib|dll|exe|so(?:\.[\d.]+)?)")
_NO_DATA = frozenset(b"__pycache__ bin tests test testing include examples doc docs src benchmarks".split())


class PythonData(Rule):
    name = "python-data"
    description = (
        "Data files of Python packages that a kept source names, or their directory, or beside one that was read; "
        f"of a directory at most {LIMIT / 1e6:.0f} MB, the smallest first."
    )

    def keep(self, context: RuleContext) -> Iterable[Keep | LeftOut]:
        packages, wanted = _Packages(context.image), _wanted(context)
        for path in sorted(context.fresh):
            if (package := _package(path)) in wanted:
                if path.endswith(b".py"):
                    yield from packages.of(path, package, _CONVENTIONS if path in context.used else frozenset())
                elif is_data(path) and was_read(context.used.get(path, ())):
                    yield from packages.beside(path)


def is_data(path: bytes) -> bool:
    """Whether it is no code, by its name."""
    name = posixpath.basename(path)
    return name not in _NO_DATA and not _CODE.fullmatch(name)


def _wanted(context: RuleContext) -> frozenset[bytes]:
    """The directories of packages that were used, or that the application imports. What other programs of the image
    would read is further away."""
    modules = ModulePath(context)
    own = [path for path in context.kept if path.endswith(b".py") and not modules.is_installed(path)]
    names = {os.fsencode(one.module.partition(".")[0]) for path in own for one in _imports(context.image, path)}
    used = {package for path in context.used if (package := _package(path))}
    needed = {package for path in context.kept if posixpath.basename(package := _package(path)) in names}
    return frozenset(used | needed)


def _imports(image: ImageView, source: bytes) -> Iterable[Imported]:
    text = image.read(source, LARGEST) if regular(image, source) else b""
    return (one for one in imported(text, late=True) if not one.level)


def _package(path: bytes) -> bytes:
    """The directory of the package in a site that a file is in; empty where it is in none."""
    parts = path.split(b"/")
    for at, part in enumerate(parts[:-2]):
        if part in SITES and not is_metadata(parts[at + 1]):
            return b"/".join(parts[: at + 2])
    return b""


class _Packages:
    """Directories of packages. Each is looked into once, and each that is data is told once."""

    def __init__(self, image: ImageView) -> None:
        self._image = image
        self._names: dict[bytes, frozenset[bytes]] = {}
        self._told: set[bytes] = set()

    def of(self, source: bytes, package: bytes, more: frozenset[bytes]) -> Iterator[Keep | LeftOut]:
        """What the source names, and `more`, in its directory and in those above as far as its package goes."""
        words: frozenset[bytes] | None = None
        directory = posixpath.dirname(source)
        while directory == package or directory.startswith(package + b"/"):
            if names := self._data(directory):
                words = _words(self._image, source) if words is None else words
                for name in sorted(names & (words | more)):
                    yield from self._told_of(posixpath.join(directory, name), f"{shown(source)} may read it")
            directory = posixpath.dirname(directory)

    def beside(self, path: bytes) -> Iterator[Keep | LeftOut]:
        """The other files of a directory."""
        directory = posixpath.dirname(path)
        if directory not in self._told:
            self._told.add(directory)
            paths = (posixpath.join(directory, name) for name in self._data(directory))
            yield from _limited(filter(None, (_file(self._image, one) for one in paths)), f"{shown(path)} was read")

    def _data(self, directory: bytes) -> frozenset[bytes]:
        if directory not in self._names:
            self._names[directory] = frozenset(filter(is_data, self._image.list(directory)))
        return self._names[directory]

    def _told_of(self, path: bytes, because: str) -> Iterator[Keep | LeftOut]:
        """The file, or the data below the directory."""
        if path not in self._told:
            self._told.add(path)
            files = list(_below(self._image, path))
            yield from _limited(files, because)
            for directory in {posixpath.dirname(found.path) for found in files}:  # it may be named as a package
                yield Keep(posixpath.join(directory, b"__init__.py"), because)


def _words(image: ImageView, source: bytes) -> frozenset[bytes]:
    """The names in a source's literals: whole, and between slashes or dots, as in a package's name."""
    text = image.read(source, LARGEST) if regular(image, source) else b""
    literals = set(_LITERAL.findall(text))
    pieces = (piece for literal in literals for piece in (*literal.split(b"/"), *_SEPARATOR.split(literal)))
    return frozenset(pieces)


def _below(image: ImageView, path: bytes) -> Iterator[Found]:
    top = image.lookup(path, follow=False)
    for found in image.walk(path) if top and stat.S_ISDIR(top.kind) else filter(None, [top]):
        below = found.path.removeprefix(path).split(b"/")
        if stat.S_ISREG(found.kind) and all(map(is_data, below)):
            yield found


def _file(image: ImageView, path: bytes) -> Found | None:
    found = image.lookup(path, follow=False)
    return found if found and stat.S_ISREG(found.kind) else None


def _limited(files: Iterable[Found], because: str) -> Iterator[Keep | LeftOut]:
    smallest_first = sorted(files, key=lambda each: (each.size, each.path))
    wanted = ((found.path, found, because) for found in smallest_first)
    return within(LIMIT, wanted, f"larger files of its directory are beyond {LIMIT / 1e6:.0f} MB")
