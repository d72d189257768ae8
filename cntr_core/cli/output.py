"""How cntr speaks: errors on stderr as one sentence and a hint, lists as tables or as JSON on stdout."""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import typer
from typer.exceptions import TyperException

from ..errors import CntrError


def _switch_debug(wanted: bool) -> bool:
    if wanted:
        os.environ["CNTR_DEBUG"] = "1"
    return wanted


Debug = Annotated[
    bool,
    typer.Option("--debug", callback=_switch_debug, help="Show tracebacks and what happens inside (or CNTR_DEBUG=1)."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def debugging() -> bool:
    """Whether the user asked for details."""
    return bool(os.environ.get("CNTR_DEBUG"))


def say(text: str) -> None:
    """One line to the person, on stderr: stdout belongs to the command and to lists."""
    sys.stderr.write(f"cntr: {text}\n")


def report(error: CntrError) -> int:
    """Print an error of ours: the sentence, then the next step. Gives the exit code."""
    if debugging():
        traceback.print_exception(error)
    say(error.message)
    if error.hint:
        sys.stderr.write(f"  hint: {error.hint}\n")
    return error.exit_code


def report_usage(error: TyperException) -> int:
    """Print what is wrong with the words of a call."""
    say(error.format_message())
    context = getattr(error, "ctx", None)
    if context is not None:
        sys.stderr.write(f"  hint: see {context.command_path} --help; a command to run goes after --\n")
    return CntrError.exit_code


def report_unexpected(error: Exception) -> int:
    """Print an error that is a fault of ours, or the system's refusal of something that we did not foresee."""
    if debugging():
        traceback.print_exception(error)
    if isinstance(error, OSError) and error.strerror:
        say(f"{error.strerror}: {error.filename}" if error.filename else error.strerror)
    else:
        say(f"unexpected {type(error).__name__}: {error}")
    sys.stderr.write("  hint: run again with --debug, and report the traceback\n")
    return CntrError.exit_code


def print_json(value: Any) -> None:
    """One JSON document on stdout."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], empty: str) -> None:
    """A table on stdout; without rows the sentence `empty` on stderr."""
    rows = list(rows)
    if not rows:
        say(empty)
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column.upper(), overflow="fold")
    for row in rows:
        table.add_row(*(_escape(cell) for cell in row))
    width = None if sys.stdout.isatty() else 1000
    Console(width=width, highlight=False, soft_wrap=not sys.stdout.isatty()).print(table)


def _escape(cell: str) -> str:
    """Plain text, with control characters shown: a container chooses its own name."""
    from rich.markup import escape

    return escape("".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in cell))


def print_lines(lines: Iterable[str]) -> None:
    """Numbered lines on stdout."""
    for number, line in enumerate(lines, 1):
        sys.stdout.write(f"{number:3}. {line}\n")
