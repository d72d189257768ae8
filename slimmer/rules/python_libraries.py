"""The rule `python-libraries`: shared libraries that Python sources load by a name (ctypes, cffi), not by an import.

Where a source says ``find_library("magic")``, ctypes asks ldconfig(8) for what the loader's cache has.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Sequence

from cntr_core.rules import ImageView, Keep, Rule, RuleContext

from .loader import library_directories
from .python_path import ModulePath
from .reading import regular, shown

LARGEST = 1 << 20
"""Bytes of a source that is read."""

_LOADS = re.compile(rb"\b(?:ctypes|cffi|CDLL|dlopen)\b")
_FOUND = re.compile(rb"""\bfind_library\([ \t\n]*["']([\w+.-]{1,100})["']""")
_FILE = re.compile(rb"""["'](?:[\w./+-]{0,100}/)?([\w+-]{1,100}\.so(?:\.\d{1,9}){0,4})["']""")
_C_LIBRARY = {b"c"}  # found or not: CDLL(None) is the program with it
_LDCONFIG = b"/sbin/ldconfig"


class PythonLibraries(Rule):
    name = "python-libraries"
    description = "Shared libraries that kept Python sources load by a literal name, through ctypes or cffi."

    def keep(self, context: RuleContext) -> Iterable[Keep]:
        modules = ModulePath(context)
        libraries = _Libraries(context)
        for path in sorted(context.fresh):
            if path.endswith(b".py") and not modules.is_standard(path):
                yield from libraries.of(path)


class _Libraries:
    """Directories of libraries, each listed once."""

    def __init__(self, context: RuleContext) -> None:
        self._image = context.image
        self._places = library_directories(context.image, context.environment)
        self._names: dict[bytes, Sequence[bytes]] = {}

    def of(self, source: bytes) -> Iterator[Keep]:
        """What the source loads: from the loader's directories, or from its own."""
        text = _text(self._image, source)
        if not _LOADS.search(text):
            return
        because = f"{shown(source)} loads it by its name"
        beside = posixpath.dirname(source)
        for name in sorted(set(_FILE.findall(text))):
            for place in (beside, *self._places):
                yield Keep(posixpath.join(place, name), because)
        for name in sorted(set(_FOUND.findall(text)) - _C_LIBRARY):
            yield Keep(_LDCONFIG, f"{shown(source)} looks for libraries by it")
            for place in self._places:
                yield from (Keep(path, because) for path in self._versions(place, name))

    def _versions(self, place: bytes, name: bytes) -> Iterator[bytes]:
        """lib`name`.so, with whatever version."""
        if place not in self._names:
            self._names[place] = self._image.list(place)
        begin = b"lib" + name + b".so"
        for file in self._names[place]:
            if file == begin or file.startswith(begin + b"."):
                yield posixpath.join(place, file)


def _text(image: ImageView, source: bytes) -> bytes:
    found = regular(image, source)
    return image.read(source, LARGEST) if found and found.size <= LARGEST else b""
