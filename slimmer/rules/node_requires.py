"""The rule `node-requires`: modules that stand in JavaScript sources, and that no run has come to.

Node.js, "Modules: CommonJS modules", "ECMAScript modules" and "Modules: Packages": how a name leads to a file.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from cntr_core.json_text import read_json
from cntr_core.rules import Found, ImageView, Keep, Rule, RuleContext

from .reading import regular, shown

LARGEST = 1 << 21
"""Bytes of a source. What is larger is a bundle, which has its modules in itself."""

MOST_NAMES = 2000
"""That one source may require."""

_SOURCES = (b".js", b".cjs", b".mjs")
_MODULES = (*_SOURCES, b".json", b".node")
_ENDINGS = (b"", b".js", b".json", b".node", b".cjs", b".mjs")
_INDEXES = (b"index.js", b"index.json", b"index.node", b"index.cjs", b"index.mjs")
_CONDITIONS = ("node", "require", "import", "default", "module-sync")
_LARGEST_PACKAGE = 1 << 20
_DEEPEST = 8  # conditions within conditions
_MOST_PLACES = 50
_MOST_CHOICES = 256
_MOST_BYTES = 1 << 20
"""Of the files in a directory from which a source requires one or another."""

# What stands before the name that is put together: require(`./commands/${name}`), require("./locale/" + name),
# require(path.join(__dirname, "commands", name)).
_CHOSEN = re.compile(
    rb"""\b(?:require|import)[ \t]*\([ \t\n]*(?:(?:"(\.[^"\n\0]{0,200}/)"|'(\.[^'\n\0]{0,200}/)')[ \t\n]{0,20}\+"""
    rb"""|`(\.[^`$\n\0]{0,200}/)\$\{"""
    rb"""|(?:path\.)?(?:join|resolve)[ \t]*\([ \t]*__dirname[ \t]*,[ \t]*["']([^"'\n\0]{1,200})["'][ \t]*,)"""
)
_REQUIRED = re.compile(
    rb"""\b(?:require|require\.resolve|import)[ \t]*\([ \t\n]*["'`]([^"'`$\n\0]{1,300})["'`]"""
    rb"""|^[ \t]*(?:import|export)\b[\w\s{},*$]{0,500}?["']([^"'\n\0]{1,300})["']""",
    re.MULTILINE,
)


class NodeRequires(Rule):
    name = "node-requires"
    description = (
        "The modules that kept JavaScript sources require or import by a literal name, as Node.js finds them, and the "
        "modules of a small directory from which they require one by a name that they put together."
    )

    def keep(self, context: RuleContext) -> Iterable[Keep]:
        sources = [path for path in sorted(context.fresh) if path.endswith(_SOURCES)]
        return _needed(context, sources) if sources else ()


def _needed(context: RuleContext, sources: Iterable[bytes]) -> Iterator[Keep]:
    modules = _Modules(context.image, os.fsencode(context.environment.get("NODE_PATH", "")).split(b":"))
    for source in sources:
        found = regular(context.image, source)
        if found is None or found.size > LARGEST:
            continue
        text = context.image.read(source, LARGEST)
        names = dict.fromkeys(match[1] or match[2] for match in _REQUIRED.finditer(text))
        for name in islice(names, MOST_NAMES):
            for file in modules.find(name, found):
                yield Keep(file, f"{shown(source)} requires it")
        places = dict.fromkeys(match[match.lastindex or 0] for match in _CHOSEN.finditer(text))
        for place in islice(places, _MOST_PLACES):
            for file in modules.choices(place, found):
                yield Keep(file, f"{shown(source)} requires one of its directory by a name that it puts together")


class _Modules:
    """Where names lead; what was found in a directory is known from then on."""

    def __init__(self, image: ImageView, places: Iterable[bytes]) -> None:
        self._image = image
        self._places = [place for place in places if place]
        self._packages: dict[bytes, dict[str, Any]] = {}

    def find(self, name: bytes, source: Found) -> Sequence[bytes]:
        """The files of a module, its package.json first; none where it is one of Node's own, or missing."""
        directory = posixpath.dirname(source.path)
        if name.startswith((b"./", b"../", b"/")) or name in (b".", b".."):
            return self._at(posixpath.join(directory, name))
        if name.startswith(b"node:"):
            return ()
        parts = name.split(b"/")
        count = 2 if name.startswith(b"@") else 1
        package, rest = b"/".join(parts[:count]), b"/".join(parts[count:])
        for place in (*_above(directory), *self._places):
            top = posixpath.join(place, package)
            if found := self._at(top) if not rest else self._inside(top, rest):
                return found
        return ()

    def choices(self, directory: bytes, source: Found) -> Sequence[bytes]:
        """The modules in a directory beside the source, none where they are many or large."""
        top = posixpath.normpath(posixpath.join(posixpath.dirname(source.path), directory))
        names = self._image.list(top)
        if top == b"/" or len(names) > _MOST_CHOICES:
            return ()
        paths = [posixpath.join(top, name) for name in names]
        files = [file for path in paths for file in ([path] if path.endswith(_MODULES) else self._index(path))]
        found = [one for file in files if (one := regular(self._image, file))]
        return [one.path for one in found] if sum(one.size for one in found) <= _MOST_BYTES else ()

    def _at(self, path: bytes) -> Sequence[bytes]:
        """A file, with the ending that is left away; or a package."""
        for ending in _ENDINGS:
            if found := regular(self._image, path + ending):
                return [found.path]
        described = self._described(path)
        files = [path + b"/package.json"] if described else []
        entries = [*_targets(described.get("exports")), described.get("main"), described.get("module")]
        for entry in filter(None, map(_text, entries)):
            files += self._file(posixpath.join(path, entry))
        return files if len(files) > 1 else [*files, *self._index(path)]

    def _inside(self, top: bytes, rest: bytes) -> Sequence[bytes]:
        """A file of a package, by the name that it exports or by its own."""
        exports = self._described(top).get("exports")
        wanted = "./" + os.fsdecode(rest)
        files: list[bytes] = []
        for pattern, target in exports.items() if isinstance(exports, dict) else ():
            before, star, after = str(pattern).partition("*")
            if pattern == wanted or (star and wanted.startswith(before) and wanted.endswith(after)):
                middle = wanted[len(before) : len(wanted) - len(after)]
                for text in _targets({".": target}):
                    files += self._file(posixpath.join(top, _text(text.replace("*", middle))))
        files = files or list(self._at(posixpath.join(top, rest)))
        return [top + b"/package.json", *files] if files else ()

    def _file(self, path: bytes) -> Sequence[bytes]:
        for ending in _ENDINGS:
            if found := regular(self._image, path + ending):
                return [found.path]
        return self._index(path)

    def _index(self, path: bytes) -> Sequence[bytes]:
        found = (regular(self._image, posixpath.join(path, name)) for name in _INDEXES)
        return [first.path for first in found if first][:1]

    def _described(self, directory: bytes) -> dict[str, Any]:
        if directory not in self._packages:
            self._packages[directory] = _read(self._image, directory + b"/package.json")
        return self._packages[directory]


def _read(image: ImageView, path: bytes) -> dict[str, Any]:
    try:
        described = read_json(image.read(path, _LARGEST_PACKAGE))
    except (OSError, ValueError):
        return {}
    return described if isinstance(described, dict) else {}


def _targets(exports: object, depth: int = 0) -> Iterator[str]:
    """The paths that a package gives for its own name, by any condition that a Node.js fulfils."""
    if isinstance(exports, str):
        yield exports
    elif isinstance(exports, list) and depth < _DEEPEST:
        for one in exports:
            yield from _targets(one, depth + 1)
    elif isinstance(exports, dict) and depth < _DEEPEST:
        for key in (".", *_CONDITIONS):
            yield from _targets(exports.get(key), depth + 1)


def _text(value: object) -> bytes:
    """A path in JSON, in which any characters may be."""
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else b""


def _above(directory: bytes) -> Iterator[bytes]:
    """The directories of packages from here to the root."""
    while True:
        if posixpath.basename(directory) != b"node_modules":
            yield posixpath.join(directory, b"node_modules")
        if directory in (b"/", b""):
            return
        directory = posixpath.dirname(directory)
