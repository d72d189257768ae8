"""What a Python source imports: by statements, each by its syntax tree, or later by a name. Nothing of it is executed.

The source is a stranger's, so statements are cut out before Python's parser sees them: for a whole source of 500 kB
that is made for it, such as one name of that length, the parser takes minutes and the machine's memory.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

_STATEMENT = rb"""
    (?:^[ \t]*|[:;][ \t]*)(?P<statement>
        import\b(?:[^\n;\\\#]|\\\n){1,2000}
        |from(?:[.\w \t]|\\\n){1,500}import\b[ \t]*(?:\((?:[^)\#]|\#[^\n]*\n){1,10000}\)|(?:[^\n;\\\#(]|\\\n){1,2000})
    )
"""
_TYPES = rb"if[ \t]+(?:\w+\.)?TYPE_CHECKING\b"
_CALL = rb"""\b(?:import_module|__import__)\([ \t\n]*["'](?P<literal>[\w.]{1,500})["']"""
_CALLED = re.compile(rb"^(\w{1,100})\(", re.MULTILINE)  # as the module is loaded
_NAMED = re.compile(rb"""["'](?P<dots>\.{0,3})(?P<name>[A-Za-z_]\w{0,99}(?:\.\w{1,99}){0,9})(?::\w{1,99})?["']""")
_WORD = re.compile(rb"""["']([A-Za-z_]\w{0,99})["']""")
_FILE = re.compile(
    r"\w+\.(?:pyc?|so|json|toml|ya?ml|cfg|ini|txt|html?|xml|css|js|csv|gz|zip|db|log|md|rst|exe|dll|pth)"
)
_BOUND = re.compile(rb"^[ \t]*import[ \t]+([\w., \t]{1,500})", re.MULTILINE)
_MOST_BOUND = 100
_LARGEST_BOUND = 1 << 18  # bytes: a larger source was generated
_FLAGS = re.MULTILINE | re.VERBOSE
_LATE = re.compile(rb"^(?P<skipped>[ \t]*)" + _TYPES + rb"|" + _STATEMENT + rb"|" + _CALL, _FLAGS)
_EARLY = re.compile(
    rb"^(?P<skipped>[ \t]*)(?:"
    + _TYPES
    + rb"|if[ \t]+__name__\b|(?:async[ \t]+)?def\b(?:[ \t]+(?P<function>\w{1,100}))?)|"
    + _STATEMENT,
    _FLAGS,
)


class Imported(NamedTuple):
    """``from ..module import names``: `level` counts the dots, 0 for an absolute import."""

    level: int
    module: str
    names: tuple[str, ...] = ()


def imported(source: bytes, *, late: bool) -> Sequence[Imported]:
    """The imports of a module; with `late` those in functions, too, and by import_module() with a literal. What is for
    type checkers alone is left out. A line of a text that looks like an import counts as one."""
    return list(dict.fromkeys(_found(source, _LATE if late else _EARLY)))


def named(source: bytes) -> Sequence[Imported]:
    """The modules, or names in them, that stand in texts with a dot: ``"package.module"``, ``"package.module:name"``,
    ``".module"``, as registries of plugins, settings, and packages that load their modules late have them. The name of
    a file is none."""
    found = []
    for match in _NAMED.finditer(source):
        level, name = len(match["dots"]), os.fsdecode(match["name"])
        if level or ("." in name and not _FILE.fullmatch(name)):
            module, _, last = name.rpartition(".")
            found.append(Imported(level, module, (last,)))
    return list(dict.fromkeys(found))


def listed(source: bytes) -> Imported:
    """What may be modules beside the source, or in its package, for they stand in texts as one word: plugins in a tuple
    or in ``__all__``. A package that loads late lists all that it has: there it is `attributes` that tell."""
    words = () if b"__getattr__" in source else dict.fromkeys(map(os.fsdecode, _WORD.findall(source)))
    return Imported(1, "", tuple(words))


def compiled_in(program: bytes, package: bytes) -> Sequence[Imported]:
    """What may be modules that a compiled module of the package `package` imports: names with dots in the package, and
    words, of modules beside it."""
    names = set(re.findall(rb"\0(%s(?:\.\w{1,99}){1,9})(?=\0)" % re.escape(package), program))
    words = set(re.findall(rb"\0([A-Za-z_]\w{0,99})(?=\0)", program))
    beside = Imported(1, "", tuple(sorted(map(os.fsdecode, words))))
    return [*(Imported(0, os.fsdecode(name)) for name in sorted(names)), beside]


def attributes(source: bytes) -> Sequence[Imported]:
    """What a source takes of the modules that it imports by ``import module``: a package that loads late has modules as
    attributes that nobody has imported (PEP 562)."""
    bound = {}
    for match in _BOUND.finditer(source) if len(source) <= _LARGEST_BOUND else ():
        for words in map(bytes.split, match[1].split(b",")):
            if len(words) in (1, 3):  # "module", "module as name"
                bound[words[-1]] = words[0]
    return [
        Imported(0, os.fsdecode(module), names)
        for name, module in list(bound.items())[:_MOST_BOUND]
        if (names := _taken_of(source, name))
    ]


def _taken_of(source: bytes, name: bytes) -> tuple[str, ...]:
    pattern = re.compile(rb"\b%s\.(\w{1,99}(?:\.\w{1,99}){0,3})" % re.escape(name))
    return tuple(sorted(map(os.fsdecode, set(pattern.findall(source)))))


def _found(source: bytes, pattern: re.Pattern[bytes]) -> Iterator[Imported]:
    at, called = 0, set(_CALLED.findall(source))
    while match := pattern.search(source, at):
        at = match.end()
        if match.groupdict().get("function") in called:
            continue
        if match["skipped"] is not None:
            at = _end_of_block(source, at, len(match["skipped"]))
        elif statement := match["statement"]:
            yield from _parsed(statement)
        else:
            literal = os.fsdecode(match["literal"])
            module = literal.lstrip(".")
            yield Imported(len(literal) - len(module), module)


def _end_of_block(source: bytes, start: int, indent: int) -> int:
    """Where the next line begins that is no deeper, and does not only close a bracket."""
    closing = re.compile(rb"^[ \t]{0,%d}[^\s#)\]}]" % min(indent, 1000), re.MULTILINE)
    match = closing.search(source, start)
    return match.start() if match else len(source)


def _parsed(statement: bytes) -> Iterator[Imported]:
    try:
        [node] = ast.parse(statement).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # ast.parse raises all of these
        return
    if isinstance(node, ast.Import):
        yield from (Imported(0, alias.name) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield Imported(node.level, node.module or "", tuple(alias.name for alias in node.names))
