"""The rules `python` and `python-packages`: sources and bytecode, and the metadata of packages.

PEP 3147 (__pycache__), PEP 376 and 627 (RECORD), PEP 405 (pyvenv.cfg), the `site` module (.pth).
"""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator

from cntr_core.rules import ImageView, Keep, Profile, Rule, RuleContext

from .python_path import SITES
from .reading import content, keep_all, shown

_CACHE = b"__pycache__"
_COMPILED = re.compile(rb"(?P<stem>[^/]+?)\.(?P<tag>[a-z]+-?\d+)(\.opt-\d)?\.pyc")
_INTERPRETER = re.compile(rb"(lib)?python(?P<major>\d)\.(?P<minor>\d+)t?(\.so.*)?")
_METADATA = (b"METADATA", b"PKG-INFO", b"RECORD", b"entry_points.txt", b"top_level.txt")


def is_init(name: bytes) -> bool:
    """Whether a file of this name makes its directory a package: as source, as bytecode alone, or compiled."""
    return name.startswith(b"__init__.") and name.endswith((b".py", b".pyc", b".so"))


class Python(Rule):
    name = "python"
    description = "Python's sources with their bytecode, settings of environments, packages' metadata."
    profile = Profile.MINIMAL

    def keep(self, context: RuleContext) -> Iterable[Keep]:
        tags = _tags(context.kept)
        for path in sorted(context.fresh):
            directory, name = posixpath.split(path)
            if name.endswith(b".pyc"):
                yield from _source_of(path)
            elif name.endswith(b".py") and path in context.used:
                yield from _bytecode_of(context.image, path, tags)
            if name.startswith(b"python") and posixpath.basename(directory) == b"bin":
                settings = posixpath.join(posixpath.dirname(directory), b"pyvenv.cfg")
                yield Keep(settings, f"{shown(path)} belongs to this environment")
        yield from _of_sites(context)
        if tags:
            for directory in {*context.fresh, *map(posixpath.dirname, context.fresh)}:
                yield from _init_of(context.image, directory)


class PythonPackages(Rule):
    name = "python-packages"
    description = "The whole of each Python package of which a module is kept."
    profile = Profile.CAREFUL

    def keep(self, context: RuleContext) -> Iterable[Keep]:
        for site, files in _sites(context.fresh).items():
            for top in sorted({file.partition(b"/")[0] for file in files if b"/" in file}):
                if top != _CACHE and not is_metadata(top):
                    because = f"parts of the Python package {shown(top)} are kept"
                    yield from keep_all(context.image, [b"**"], because, posixpath.join(site, top))


def _tags(kept: frozenset[bytes]) -> set[bytes]:
    """Of the interpreters that are kept, the tags that name their bytecode: cpython-311."""
    matches = map(_INTERPRETER.fullmatch, map(posixpath.basename, kept))
    return {b"cpython-" + m["major"] + m["minor"] for m in matches if m}


def _source_of(path: bytes) -> Iterator[Keep]:
    """Without the source, Python does not take the bytecode in a cache."""
    directory, name = posixpath.split(path)
    if posixpath.basename(directory) == _CACHE and (match := _COMPILED.fullmatch(name)):
        source = posixpath.join(posixpath.dirname(directory), match["stem"] + b".py")
        yield Keep(source, f"the source of {shown(path)}")


def _bytecode_of(image: ImageView, path: bytes, tags: set[bytes]) -> Iterator[Keep]:
    """Where Python looked at the source, it may import it. What only a rule keeps it compiles when it comes to that."""
    directory, name = posixpath.split(path)
    cache = posixpath.join(directory, _CACHE)
    for other in image.list(cache):
        match = _COMPILED.fullmatch(other)
        if match and match["stem"] == name[:-3] and (not tags or match["tag"] in tags):
            yield Keep(posixpath.join(cache, other), f"the bytecode of {shown(path)}")


def _init_of(image: ImageView, directory: bytes) -> Iterator[Keep]:
    """Without it the directory would be another kind of package, with nothing in it (PEP 420)."""
    for name in filter(is_init, image.list(directory)):
        yield Keep(posixpath.join(directory, name), f"{shown(directory)} is there, and is a Python package by it")


def _sites(paths: Iterable[bytes]) -> dict[bytes, set[bytes]]:
    """By directory of packages, what of `paths` is below, relative to it."""
    sites = defaultdict(set)
    for path in sorted(paths):
        parts = path.split(b"/")
        for site in SITES:
            if site in parts[:-1]:
                at = parts.index(site) + 1
                sites[b"/".join(parts[:at])].add(b"/".join(parts[at:]))
    return sites


def _of_sites(context: RuleContext) -> Iterator[Keep]:
    for site, files in _sites(context.fresh).items():
        yield from keep_all(context.image, [b"*.pth"], "Python reads it at every start", site)
        modules = {_source(file) for file in files}
        for directory in filter(is_metadata, context.image.list(site)):
            metadata = posixpath.join(site, directory)
            if not modules.isdisjoint(_modules(context.image, metadata, modules)):
                because = f"describes the Python package {shown(directory.partition(b'-')[0])}, which is used"
                yield Keep(metadata, because)
                for name in _METADATA:
                    yield Keep(posixpath.join(metadata, name), because)


def is_metadata(name: bytes) -> bool:
    """Whether a file or directory of this name in a site describes a distribution."""
    return name.endswith((b".dist-info", b".egg-info"))


def _source(file: bytes) -> bytes:
    """A module's source by its bytecode's path; other paths as they are."""
    directory, name = posixpath.split(file)
    match = _COMPILED.fullmatch(name)
    if match and posixpath.basename(directory) == _CACHE:
        return posixpath.join(posixpath.dirname(directory), match["stem"] + b".py")
    return file


def _modules(image: ImageView, metadata: bytes, kept: set[bytes]) -> Iterable[bytes]:
    """The files of the package that `metadata` describes, relative to its site. Distributions leave RECORD away; then
    it is what of `kept` lies in the packages named by top_level.txt, or by the metadata itself."""
    if record := content(image, posixpath.join(metadata, b"RECORD")):
        # Path, hash and size; a path with a comma is in quotes.
        return [line.rsplit(b",", 2)[0].strip(b'"') for line in record.splitlines()]
    listed = content(image, posixpath.join(metadata, b"top_level.txt"))
    tops = listed.split() or [posixpath.basename(metadata).partition(b"-")[0]]
    return [file for file in kept if file.partition(b"/")[0].removesuffix(b".py") in tops]
