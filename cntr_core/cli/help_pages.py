"""Help pages, kept once they were shown: to make one, typer, rich and the tree of commands take 110 ms."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout, suppress
from typing import TextIO

from ..entry_points import installed
from ..kept import kept
from . import manual

_HELP = ("-h", "--help")
_NOT_ALONE = ("CNTR_DEBUG", "_CNTR_COMPLETE")
"""Variables with which more is to be done than to show a page."""
_SHAPING = ("CNTR_", "COL", "JUPYTER_", "LANG", "LC_", "PYTHON", "TERM", "TTY_", "TYPER_", "_TYPER_", "XDG_")
_SHAPING_TOO = frozenset({"FORCE_COLOR", "GITHUB_ACTIONS", "HOME", "JPY_PARENT_PID", "LINES", "NO_COLOR", "PY_COLORS"})
"""What variables begin with, or are, that rich, typer, Python or a help text of ours look at."""


def is_page(words: Sequence[str], environment: Mapping[str, str]) -> bool:
    """Whether `words` ask for nothing but the page of cntr, or of one of its commands.

    >>> is_page(["slim", "--help"], {}), is_page(["exec", "web", "--help"], {})
    (True, False)
    """
    if any(map(environment.get, _NOT_ALONE)):
        return False
    return not words or (words[-1] in _HELP and (len(words) == 1 or (len(words) == 2 and not words[0].startswith("-"))))


def show(words: Sequence[str]) -> object:
    """Print the page; gives what app.run() gives. :raises CntrError: as that."""
    key = _key(words)
    if key is None:
        from . import app

        return app.run()
    try:
        page = kept("help", key, _made)
    except _NoPage as other:
        sys.stdout.write(other.printed)
        return other.code
    sys.stdout.write(page.decode(errors="surrogatepass"))
    return 0


class _NoPage(Exception):
    def __init__(self, code: object, printed: str) -> None:
        super().__init__()
        self.code, self.printed = code, printed


def _made() -> bytes:
    """:raises _NoPage: there is no such command, say."""
    from . import app

    with redirect_stdout(_Recorder(sys.stdout)) as recorder:
        code = app.run()
    page = recorder.getvalue()
    if code or "Usage:" not in page:
        raise _NoPage(code, page)
    return page.encode(errors="surrogatepass")


class _Recorder(io.StringIO):
    """Keeps what is written for `shown`, and looks like that to who asks whether it has colours."""

    def __init__(self, shown: TextIO) -> None:
        super().__init__()
        self._shown = shown

    def isatty(self) -> bool:
        return self._shown.isatty()

    def fileno(self) -> int:
        return self._shown.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]  # a StringIO has none
        return self._shown.encoding


def _key(words: Sequence[str]) -> bytes | None:
    """All that a page depends on: what is installed, where it is shown, and the variables that shape it; None where the
    code is worked on."""
    code = installed("cntr")
    if code is None:
        return None
    variables = {name: value for name, value in os.environ.items() if name.startswith(_SHAPING) or name in _SHAPING_TOO}
    shown = sys.stdout.isatty(), sys.stdout.encoding, [_size(fd) for fd in range(3)]
    asked = sys.version, sys.argv[0], words, os.geteuid(), manual.hint(), sorted(variables.items())
    return repr((code, shown, asked)).encode(errors="surrogatepass")


def _size(fd: int) -> os.terminal_size | None:
    with suppress(OSError):
        return os.get_terminal_size(fd)
    return None
