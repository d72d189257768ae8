"""The rule `python-imports`: modules that stand in sources, and that no run has come to."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Sequence

from cntr_core.rules import Keep, Rule, RuleContext

from .python_path import ModulePath
from .python_source import Imported, attributes, compiled_in, imported, listed, named
from .reading import only_seen, regular, shown

LARGEST = 1 << 22
"""Bytes of a source. What is larger was generated, and says little of imports."""

MOST_IMPORTS = 5000
"""That one source may have."""

LARGEST_COMPILED = 1 << 25
"""Bytes of a compiled module."""

_EXTENSION = re.compile(rb"/(?:site|dist)-packages/(?P<top>\w{1,100})/.*\.(?:cpython-\w+(?:-[\w-]+)?|abi3)\.so$")
_SCRIPT = re.compile(rb"#!.*python")
_FIRST_LINE = 128


class PythonImports(Rule):
    name = "python-imports"
    description = (
        "The modules that kept Python sources import, in functions too, or name; of what no run used, as it is loaded."
    )

    def keep(self, context: RuleContext) -> Iterable[Keep]:
        sources = [path for path in sorted(context.fresh) if _is_source(context, path)]
        compiled = [path for path in sorted(context.fresh - context.used.keys()) if _EXTENSION.search(path)]
        return [*_needed(context, sources), *_of_compiled(context, compiled)] if sources or compiled else ()


def _needed(context: RuleContext, sources: Iterable[bytes]) -> Iterator[Keep]:
    """Where nobody has come to a source of a library yet, what it imports in functions is further away."""
    modules = ModulePath(context)
    for source in sources:
        text = context.image.read(source, LARGEST)
        late = source in context.used or not modules.is_installed(source)
        for wanted in (imported(text, late=True) if late else _near(text, source))[:MOST_IMPORTS]:
            for file in modules.find(wanted, source):
                yield Keep(file, f"{shown(source)} imports it")
        for wanted in _later(text, modules, source, late=late)[:MOST_IMPORTS]:
            for file in modules.find(wanted, source):
                yield Keep(file, f"{shown(source)} names it, and may import it later")


def _near(text: bytes, source: bytes) -> Sequence[Imported]:
    """What a source imports as it is loaded; and what functions of a package import of it, which is loaded late."""
    package = posixpath.basename(source) == b"__init__.py"
    late = [one for one in imported(text, late=True) if one.level] if package else []
    return list(dict.fromkeys([*imported(text, late=False), *late]))


def _of_compiled(context: RuleContext, paths: Iterable[bytes]) -> Iterator[Keep]:
    """What compiled modules that no run has loaded import of their own package: its name is a text in them (Cython)."""
    modules = ModulePath(context)
    for path in paths:
        match = _EXTENSION.search(path)
        found = regular(context.image, path)
        if match and found and found.size <= LARGEST_COMPILED:
            for wanted in compiled_in(context.image.read(path), match["top"])[:MOST_IMPORTS]:
                for file in modules.find(wanted, path):
                    yield Keep(file, f"{shown(path)} names it, and may import it later")


def _later(text: bytes, modules: ModulePath, source: bytes, *, late: bool) -> Sequence[Imported]:
    """What is imported without a statement; the standard library has tables of names that nobody imports."""
    if modules.is_standard(source):
        return attributes(text) if late else ()
    plugins = [listed(text)] if posixpath.basename(source) == b"__init__.py" else []
    return [*attributes(text), *named(text), *plugins] if late else plugins


def _is_source(context: RuleContext, path: bytes) -> bool:
    """A module, whose bytecode may have been read in place of it, or a script by its first line."""
    name = posixpath.basename(path)
    found = regular(context.image, path)
    if name.endswith(b".py"):
        return found is not None and found.size <= LARGEST
    if b"." in name or found is None or only_seen(context, path):
        return False
    return _SCRIPT.match(context.image.read_at(path, 0, _FIRST_LINE)) is not None
