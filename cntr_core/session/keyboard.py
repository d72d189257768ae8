"""The caller's stdin, where the command gets no terminal. A terminal is read only while its keys are meant for it."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

from ..kernel import pty
from .deadlines import Deadlines
from .pipes import opened_again
from .relay import Stream

_PAUSE = 0.2
"""Seconds until a terminal whose keys were not for the command is looked at again."""


def is_interactive() -> bool:
    """Whether somebody sits at our stdin and stdout: they are terminals, and we are not in the background of them."""
    return os.isatty(0) and os.isatty(1) and pty.gives_keys(0, lines_only=False)


def input_stream(sink: int, stack: ExitStack, deadlines: Deadlines, *, is_shared: bool) -> Stream:
    """What carries our stdin to `sink`, which it closes at the end; `stack` closes what it opens. `is_shared`: nobody
    asked for stdin, so that a pager behind us may have the terminal for itself."""
    on_end = partial(os.close, sink)
    if not os.isatty(0):
        return Stream(0, sink, on_end)
    source = stack.enter_context(opened_again(0, os.O_RDONLY))  # who reads it, too, may have been faster
    return _Keyboard(source, sink, on_end, deadlines, is_shared)


class _Keyboard(Stream):
    """A terminal that others read, too: the shell that keeps us in the background, a pager at our stdout."""

    def __init__(
        self, source: int, sink: int, on_end: Callable[[], None], deadlines: Deadlines, is_shared: bool
    ) -> None:
        super().__init__(source, sink, on_end)
        self._deadlines = deadlines
        self._is_shared = is_shared
        self._pauses = False

    @property
    def wants_read(self) -> bool:
        return not self._pauses and super().wants_read

    def read(self) -> None:
        if pty.gives_keys(self.source, lines_only=self._is_shared):
            super().read()
        else:
            self._pauses = True
            self._deadlines.set("keyboard", _PAUSE, self._go_on)

    def _go_on(self) -> None:
        self._pauses = False
