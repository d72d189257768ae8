"""The rule `elf`: loaders and libraries of programs."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterable, Iterator, Sequence

from cntr_core.rules import ImageView, Keep, Profile, Rule, RuleContext

from .binaries import Binary, read_binary
from .globs import expand
from .loader import CACHE, MUSL_PATHS, LibrarySearch, configuration_files, directories
from .reading import lines, regular, shown

_PRELOAD = b"/etc/ld.so.preload"
_SEPARATORS = re.compile(rb"[ :\t]+")


class Elf(Rule):
    name = "elf"
    description = "The dynamic loader and the libraries of each kept program and library, as ld.so finds them."
    profile = Profile.MINIMAL

    def keep(self, context: RuleContext) -> Iterable[Keep]:
        return _Needs(context).all()


class _Needs:
    """One round. Libraries found in it are looked into in the next, when they are fresh themselves."""

    def __init__(self, context: RuleContext) -> None:
        self._image = context.image
        self._fresh = context.fresh
        variable = os.fsencode(context.environment.get("LD_PRELOAD", ""))
        listed = b" ".join((variable, *lines(context.image, _PRELOAD)))
        self._preload = [name for name in _SEPARATORS.split(listed) if name]
        self._search = LibrarySearch(context.image, context.environment)
        self._binaries: dict[bytes, Binary | None] = {}

    def all(self) -> Iterator[Keep]:
        programs = False
        for path in sorted(self._fresh):
            if binary := self._binary(path):
                # A link to a program is fresh, too: to it, $ORIGIN is the link's directory.
                yield from self._of(path, binary, (), set())
                if binary.interpreter:
                    yield Keep(binary.interpreter, f"the dynamic loader of {shown(path)}")
                    yield from self._preloaded(path, binary)
                    programs = True
        for file in loader_files(self._image) if programs else ():
            yield Keep(file, "where the dynamic loader looks for libraries")

    def _binary(self, path: bytes) -> Binary | None:
        found = regular(self._image, path)
        if found is None:
            return None
        if found.path not in self._binaries:
            self._binaries[found.path] = read_binary(self._image, found.path)
        return self._binaries[found.path]

    def _of(self, path: bytes, binary: Binary, inherited: Sequence[bytes], seen: set[bytes]) -> Iterator[Keep]:
        """The libraries of one file. A DT_RPATH counts for libraries' libraries as well, so these are gone through at
        once; without one they are left for the next round."""
        origin = posixpath.dirname(path)
        rpath = () if binary.runpath else (*directories(binary.rpath, binary.kind, origin), *inherited)
        for name in binary.needed:
            for library in self._search.find(name, binary, origin, inherited):
                yield Keep(library, f"a library of {shown(path)}")
                if rpath and library not in seen and (loaded := self._binary(library)):
                    seen.add(library)
                    yield from self._of(library, loaded, rpath, seen)

    def _preloaded(self, path: bytes, binary: Binary) -> Iterator[Keep]:
        for name in self._preload:
            for library in self._search.find(name, binary, posixpath.dirname(path)):
                yield Keep(library, f"loaded before every program's libraries, as {shown(name)}")


def loader_files(image: ImageView) -> list[bytes]:
    """The configuration of the dynamic loader."""
    return [CACHE, _PRELOAD, *configuration_files(image), *expand(image, MUSL_PATHS)]
