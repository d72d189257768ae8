"""Where a Python of the image finds modules: `sys.path` as far as the image's tree tells it.

The `site` module, PEP 420 (namespace packages), PEP 3149 (names of extension modules).
"""

from __future__ import annotations

import os
import posixpath
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from cntr_core.rules import ImageView, RuleContext

from .python_source import Imported
from .reading import lines

SITES = (b"site-packages", b"dist-packages")
_STANDARD = b"/encodings"  # the package of the standard library without which no Python starts
_DYNAMIC = b"lib-dynload"
_MODULES = (b".py", b".so", b".pyc")
_DEEPEST = 8
"""How many directories above a source are looked into, when nothing else has the module."""


class ModulePath:
    """The directories that modules are looked for in, and what is in them."""

    def __init__(self, context: RuleContext) -> None:
        self._image = context.image
        self._names: dict[bytes, Mapping[bytes, Sequence[bytes]]] = {}
        library = sorted(path[: -len(_STANDARD)] for path in context.kept if path.endswith(_STANDARD))
        sites = sorted(path for path in context.kept if posixpath.basename(path) in SITES)
        self._installed = [place for path in library for place in (path, posixpath.join(path, _DYNAMIC))]
        self._installed += [place for site in sites for place in (site, *_named_by(context.image, site))]
        self._sites = tuple(path + b"/" for path in sites)
        self._library = tuple(path + b"/" for path in library)
        variable = os.fsencode(context.environment.get("PYTHONPATH", ""))
        self._first = [*filter(None, variable.split(b":")), posixpath.join(b"/", context.working_dir)]

    def is_installed(self, source: bytes) -> bool:
        """Whether the source is of the standard library, or of a distribution."""
        return source.startswith((*self._library, *self._sites))

    def is_standard(self, source: bytes) -> bool:
        """Whether the source is of the standard library."""
        return source.startswith(self._library) and not source.startswith(self._sites)

    def find(self, wanted: Imported, source: bytes) -> Sequence[bytes]:
        """The files that the import in `source` needs, packages first; none where there is no such module."""
        directory = posixpath.dirname(source)
        if wanted.level:
            for _ in range(wanted.level - 1):
                directory = posixpath.dirname(directory)
            return self._with_names(wanted, [directory])
        if self.is_installed(source):  # a library may add its directory to sys.path
            return self._with_names(wanted, self._installed) or self._with_names(wanted, [directory])
        found = self._with_names(wanted, [self._top(directory), *self._first, *self._installed])
        return found or self._with_names(wanted, _above(directory))

    def _top(self, directory: bytes) -> bytes:
        """The directory around the packages that it is in: a program's first place, or what it was started with."""
        while self._init(directory) and directory != b"/":
            directory = posixpath.dirname(directory)
        return directory

    def _with_names(self, wanted: Imported, places: Sequence[bytes]) -> Sequence[bytes]:
        """What is imported from a package may be a module in it."""
        files, below = self._module(wanted.module, places)
        names = wanted.names if below else ()
        return [*files, *(file for name in names for file in self._module(name, below)[0])]

    def _module(self, name: str, places: Sequence[bytes]) -> tuple[Sequence[bytes], Sequence[bytes]]:
        """The files of a module with dots in its name, and the directories of modules in it."""
        files: list[bytes] = []
        for part in map(os.fsencode, filter(None, name.split("."))):
            found, places = self._part(part, places)
            files += found
        return files, places

    def _part(self, name: bytes, places: Sequence[bytes]) -> tuple[Sequence[bytes], Sequence[bytes]]:
        """The same for a name without dots; a package without a file of its own may be in several places."""
        portions = []
        for place in places:
            if not (here := self._in(place).get(name)):
                continue
            below = posixpath.join(place, name)
            if name in here and (init := self._init(below)):
                return init, [below]
            if modules := [posixpath.join(place, file) for file in here if file.endswith(_MODULES)]:
                return modules, ()
            portions.append(below)
        return (), portions

    def _init(self, directory: bytes) -> Sequence[bytes]:
        names = self._in(directory).get(b"__init__", ())
        return [posixpath.join(directory, name) for name in names if name.endswith(_MODULES)]

    def _in(self, directory: bytes) -> Mapping[bytes, Sequence[bytes]]:
        """The names in a directory, by what stands before their first dot."""
        if directory not in self._names:
            names: defaultdict[bytes, list[bytes]] = defaultdict(list)
            for name in self._image.list(directory):
                names[name.partition(b".")[0]].append(name)
            self._names[directory] = names
        return self._names[directory]


def _named_by(image: ImageView, site: bytes) -> Iterator[bytes]:
    """The directories that .pth files in a site add to it."""
    for name in image.list(site):
        if name.endswith(b".pth"):
            for line in lines(image, posixpath.join(site, name)):
                if not line.startswith((b"import ", b"import\t")):
                    yield posixpath.normpath(posixpath.join(site, line))


def _above(directory: bytes) -> Sequence[bytes]:
    """The directory, and those around it, but for the root."""
    found: list[bytes] = []
    while directory not in (b"/", b"") and len(found) < _DEEPEST:
        found.append(directory)
        directory = posixpath.dirname(directory)
    return found
