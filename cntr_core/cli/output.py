"""How cntr speaks: errors on stderr as one sentence and a hint, lists as tables or as JSON on stdout."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import sys
import traceback
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from ..errors import CntrError, UsageError
from ..lazily import lazily
from ..room import NO_ROOM, refused

if TYPE_CHECKING:
    from rich.console import Console
    from typer.exceptions import TyperException

    from .answers import Error, Failure
    from .common_options import Debug as Debug
    from .common_options import Json as Json

__getattr__ = lazily("cntr_core.cli", {"common_options": "Debug Json"})

_UNUSABLE = ("cannot use stdin, stdout or stderr", "look what cntr's streams are redirected to")
_OF_STREAMS = {
    errno.EBADF: _UNUSABLE,
    errno.EIO: _UNUSABLE,
}
"""Refusals without a path come from the streams that the caller gave: what to say, and the next step."""


def fail_as_json(wanted: bool) -> None:
    """Whether errors are told as JSON, too."""
    global _fails_as_json
    _fails_as_json = wanted


_fails_as_json = False

FAILURE_SCHEMA: Literal[1] = 1
"""The version of what ``--json`` prints where there is an error and no answer."""

_LONGEST_WORD, _LONGEST_SENTENCE = 200, 2000
"""Characters: containers and images choose names, and labels as long as they like."""


def debugging() -> bool:
    """Whether the user asked for details."""
    return bool(os.environ.get("CNTR_DEBUG"))


def plain(text: str) -> str:
    """One line without control characters, which are shown as in Python: a container chooses its own name."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def say(text: str) -> None:
    """One line to the person, on stderr: stdout belongs to the command and to lists."""
    _tell(f"cntr: {plain(text)}\n")


def hint(text: str) -> None:
    """The next step, below what was said."""
    _tell(f"  hint: {plain(text)}\n")


def _tell(line: str) -> None:
    with contextlib.suppress(OSError):  # nobody listens, and the exit code still tells
        sys.stderr.write(line)
        sys.stderr.flush()


def report(error: CntrError) -> int:
    """Print an error of ours: the sentence, then the next step. Gives the exit code."""
    if debugging():
        traceback.print_exception(error)
    return failed(error.code, error.message, error.hint, error.exit_code)


def failed(code: str, message: str, step: str, exit_code: int = CntrError.exit_code) -> int:
    """Tell an error, whose stable name is `code`, and the next `step`, if there is one. Gives the exit code."""
    message, step = _shortened(message), _shortened(step)
    say(message)
    if step:
        hint(step)
    if _fails_as_json:
        error: Error = {"code": code, "message": plain(message), "hint": plain(step), "exit_code": exit_code}
        failure: Failure = {"schema": FAILURE_SCHEMA, "error": error}
        with contextlib.suppress(OSError):  # what could not be written may be what is told
            print_json(failure)
            sys.stdout.flush()
    return exit_code


def _shortened(text: str) -> str:
    """`text` without endless words, and not endless itself."""
    text = re.sub(rf"(\S{{{_LONGEST_WORD}}})\S+", r"\1…", text[: 2 * _LONGEST_SENTENCE])
    return text if len(text) <= _LONGEST_SENTENCE else f"{text[:_LONGEST_SENTENCE]}…"


def report_usage(error: TyperException) -> int:
    """Print what is wrong with the words of a call."""
    from .usage import explained

    fail_as_json(_fails_as_json or _asks_for_json(error))
    sentence, step = explained(error)
    return failed(UsageError.code, sentence, step) if sentence else 0


def _asks_for_json(error: TyperException) -> bool:
    """Whether ``--json`` stands in a call that was not understood."""
    context = getattr(error, "ctx", None)
    options = [option for each in context.command.params for option in each.opts] if context is not None else []
    return "--json" in options and "--json" in sys.argv[1:]


def report_unexpected(error: Exception) -> int:
    """Print an error that is a fault of ours, or the system's refusal of something that we did not foresee."""
    if debugging():
        traceback.print_exception(error)
    if isinstance(error, OSError) and error.errno in NO_ROOM:
        told = refused(str(error.filename or _output()), error)
        return failed("system", told.message, told.hint)
    if isinstance(error, OSError) and error.filename is None and error.errno in _OF_STREAMS:
        what, step = _OF_STREAMS[error.errno]
        return failed("system", f"{what}: {error.strerror}", step)
    step = "run again with --debug, and report the traceback"
    if isinstance(error, OSError) and error.strerror:
        return failed("system", f"{error.strerror}: {error.filename}" if error.filename else error.strerror, step)
    return failed("unexpected", f"unexpected {type(error).__name__}: {error}", step)


def _output() -> str:
    """What stdout is redirected to; where that is no file, a word for it."""
    with contextlib.suppress(OSError):
        path = os.readlink("/proc/self/fd/1")
        return path if os.path.exists(path) else "the output"
    return "the output"


def print_json(value: Any) -> None:
    """One JSON document on stdout."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def print_answer(json: bool, value: Any, lines: Iterable[str]) -> None:
    """The answer of a command on stdout: `value` for programs, `lines` for people."""
    if json:
        print_json(value)
    else:
        sys.stdout.writelines(f"{plain(line)}\n" for line in lines)


def print_list(
    json: bool, values: Sequence[Any], columns: Sequence[str], rows: Iterable[Sequence[str]], empty: str
) -> None:
    """A list on stdout: `values` for programs, a table for people as by :func:`print_table`."""
    if json:
        print_json(values)
    else:
        print_table(columns, rows, empty)


def console(plain_width: int, **options: Any) -> Console:
    """rich's console on stdout, `plain_width` columns wide where that is no terminal.

    That nobody reads any more is told as it is elsewhere, by BrokenPipeError; rich would exit with 1.
    """
    from rich.console import Console

    class Ours(Console):
        def on_broken_pipe(self) -> None:
            raise  # it is called where BrokenPipeError is handled

    return Ours(width=None if sys.stdout.isatty() else plain_width, highlight=False, **options)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], empty: str) -> None:
    """A table on stdout; without rows the sentence `empty` on stderr."""
    rows = list(rows)
    if not rows:
        say(empty)
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column.upper(), overflow="fold")
    for row in rows:
        table.add_row(*(_escape(cell) for cell in row))
    console(1000, soft_wrap=not sys.stdout.isatty()).print(table)


def _escape(cell: str) -> str:
    """For rich, which would read markup."""
    from rich.markup import escape

    return escape(plain(cell))


def print_lines(lines: Iterable[str]) -> None:
    """Numbered lines on stdout."""
    for number, line in enumerate(lines, 1):
        sys.stdout.write(f"{number:3}. {plain(line)}\n")
