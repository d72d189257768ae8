"""Directories that would change a program's answer if they were there without what is in them.

Python takes a directory without ``__init__.py`` for a namespace package (PEP 420), so that an import succeeds and gives
nothing; and a ``.dist-info`` without METADATA for an installed distribution without a version. Such a directory is in
the slim image only with one of its files. All others stay, for programs that write into them or ask for them.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator

from cntr_core.images.tree.tree import Directory, Name, Tree

from .rules.python import is_init

_PACKAGE = "nothing in it is kept, and Python would import the empty directory as a package"
_METADATA = "nothing in it is kept, and Python would take it for an installed distribution without a version"


def hollow_directories(tree: Tree, kept: Iterable[bytes]) -> dict[Name, str]:
    """The directories to leave out, with all directories below them, each with the reason as a phrase; `kept` has the
    paths of all that stays."""
    found: dict[Name, str] = {}
    for name, because in _emptied(tree, _with_parents(kept)):
        found[name] = because
        for below in tree.walk(name.file) if isinstance(name.file, Directory) else ():
            if isinstance(below.file, Directory):
                found[below] = because
    return found


def _with_parents(paths: Iterable[bytes]) -> set[bytes]:
    found: set[bytes] = set()
    for path in paths:
        above = path
        while above not in found:
            found.add(above)
            above = posixpath.dirname(above)
    return found


def _emptied(tree: Tree, alive: set[bytes]) -> Iterator[tuple[Name, str]]:
    pending: list[tuple[Directory, bytes]] = [(tree.root, b"")]
    while pending:
        directory, path = pending.pop()
        for name in directory.children.values():
            if isinstance(name.file, Directory):
                below = path + b"/" + name.name
                because = "" if below in alive else _because(name.name, name.file)
                if because:
                    yield name, because
                else:
                    pending.append((name.file, below))


def _because(name: bytes, directory: Directory) -> str:
    """Why the directory must not be empty; nothing where it may."""
    if name.endswith((b".dist-info", b".egg-info")):
        return _METADATA
    return _PACKAGE if any(map(is_init, directory.children)) else ""
