"""Packages that pip and npm installed: Python's by their metadata (PEP 376, PEP 566), Node.js's by package.json."""

from __future__ import annotations

import csv
import posixpath
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email.parser import HeaderParser

from cntr_core.json_text import read_json
from cntr_core.rules import ImageView

from ..report.text import words
from ..rules.reading import content

_METADATA = re.compile(rb"(?P<site>.*)/[^/]+\.(?:dist-info/METADATA|egg-info/PKG-INFO|egg-info)", re.DOTALL)
_PACKAGE_JSON = re.compile(rb"(?P<home>.*/node_modules/(?:@[^/]+/)?(?!\.)[^/@]+)/package\.json", re.DOTALL)
_NESTED = b"/node_modules/"


@dataclass(frozen=True, slots=True)
class LanguagePackage:
    """A package; `description` is the file that says so, and `files` are all others of it."""

    kind: str
    name: str
    version: str
    description: bytes
    files: frozenset[bytes]


def python_packages(view: ImageView, paths: Sequence[bytes]) -> Iterator[LanguagePackage]:
    """The Python packages that have metadata among `paths`, the image's."""
    for path in paths:
        if match := _METADATA.fullmatch(path):
            fields = HeaderParser().parsestr(content(view, path).decode(errors="replace"))
            name, version = (words(str(fields.get(key, "")).strip()) for key in ("Name", "Version"))
            if name and version:
                files = frozenset(_recorded(view, match["site"], path) or _modules(view, match["site"], path, name))
                yield LanguagePackage("pypi", re.sub(r"[-_.]+", "-", name).lower(), version, path, files)


def _recorded(view: ImageView, site: bytes, metadata: bytes) -> list[bytes]:
    """What the package's RECORD lists, but no metadata."""
    directory = posixpath.dirname(metadata)
    try:
        rows = list(csv.reader(_text(view, posixpath.join(directory, b"RECORD"))))
    except csv.Error:
        return []
    listed = (posixpath.join(site, row[0].encode(errors="surrogateescape")) for row in rows if row)
    return [path for path in map(posixpath.normpath, listed) if not path.startswith(directory + b"/")]


def _modules(view: ImageView, site: bytes, metadata: bytes, name: str) -> Iterator[bytes]:
    """Where nothing is recorded, what its modules are called tells."""
    listed = _text(view, posixpath.join(posixpath.dirname(metadata), b"top_level.txt"))
    for module in filter(None, map(str.strip, listed or [re.sub(r"[-.]+", "_", name).lower()])):
        path = posixpath.join(site, module.encode(errors="surrogateescape"))
        yield path + b".py"
        yield from _files_below(view, path)


def _files_below(view: ImageView, directory: bytes) -> Iterator[bytes]:
    return (found.path for found in view.walk(directory) if not stat.S_ISDIR(found.kind))


def _text(view: ImageView, path: bytes) -> list[str]:
    return content(view, path).decode(errors="surrogateescape").splitlines()


def node_packages(view: ImageView, paths: Sequence[bytes]) -> Iterator[LanguagePackage]:
    """The packages in directories ``node_modules`` among `paths`, the image's."""
    for path in paths:
        if match := _PACKAGE_JSON.fullmatch(path):
            name, version = _named(content(view, path))
            if name and version:
                home = match["home"]
                own = (one for one in _files_below(view, home) if _NESTED not in one[len(home) :] and one != path)
                yield LanguagePackage("npm", name, version, path, frozenset(own))


def _named(document: bytes) -> tuple[str, str]:
    try:
        values = read_json(document)
    except ValueError:
        return "", ""
    name, version = (values.get(key) if isinstance(values, dict) else None for key in ("name", "version"))
    return (words(name), words(version)) if isinstance(name, str) and isinstance(version, str) else ("", "")
