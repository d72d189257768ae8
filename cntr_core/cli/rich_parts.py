"""What typer's help pages need of rich, without what they do not: for Markdown and tracebacks, rich imports a parser, a
highlighter and attrs, which takes as long as all other modules of a help page."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any


class _Markdown:
    """rich's, imported by who makes one: a plugin whose help is written so."""

    def __new__(cls, *arguments: Any, **named: Any) -> Any:
        from rich.markdown import Markdown

        return Markdown(*arguments, **named)


class _Traceback:
    """rich's, as above: of typer's pretty exceptions, which ours have off."""

    @staticmethod
    def from_exception(*arguments: Any, **named: Any) -> Any:
        from rich.traceback import Traceback

        return Traceback.from_exception(*arguments, **named)


def ask_for_help(words: Sequence[str]) -> bool:
    """Whether `words` may show a help page; a command's own ``--help`` counts, too, which only takes time."""
    return not words or not {"-h", "--help"}.isdisjoint(words)


def import_for_help() -> None:
    """Import typer's renderer of help pages, with stand-ins for what is used by none of ours."""
    with _standing_in({"rich.markdown": {"Markdown": _Markdown}, "rich.traceback": {"Traceback": _Traceback}}):
        import typer.rich_utils  # noqa: F401 - for sys.modules


@contextmanager
def _standing_in(modules: Mapping[str, Mapping[str, object]]) -> Iterator[None]:
    """Have others import the names in `modules` from there, and attrs from nowhere: rich looks for it, to show its
    objects. What is imported already stays."""
    made = [name for name in (*modules, "attr") if name not in sys.modules]
    for name in made:
        module = ModuleType(name)
        vars(module).update(modules.get(name, {}))
        sys.modules[name] = module
    try:
        yield
    finally:
        for name in made:
            del sys.modules[name]
