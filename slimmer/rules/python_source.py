"""What a Python source imports: its import statements, each by its syntax tree. Nothing of it is executed.

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
_FLAGS = re.MULTILINE | re.VERBOSE
_LATE = re.compile(rb"^(?P<skipped>[ \t]*)" + _TYPES + rb"|" + _STATEMENT + rb"|" + _CALL, _FLAGS)
_EARLY = re.compile(
    rb"^(?P<skipped>[ \t]*)(?:" + _TYPES + rb"|if[ \t]+__name__\b|(?:async[ \t]+)?def\b)|" + _STATEMENT, _FLAGS
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


def _found(source: bytes, pattern: re.Pattern[bytes]) -> Iterator[Imported]:
    at = 0
    while match := pattern.search(source, at):
        at = match.end()
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
