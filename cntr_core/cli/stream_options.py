"""The options that say which of the caller's streams a command gets, and how."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..dataclass import dataclass
from ..errors import UsageError

if TYPE_CHECKING:
    from .options import Detach, DetachKeys, Interactive, NoStdin, Tty


@dataclass(frozen=True, slots=True)
class Streams:
    """Which of the caller's streams the command gets, and how."""

    interactive: Interactive = False
    tty: Tty = False
    no_stdin: NoStdin = False
    detach: Detach = False
    detach_keys: DetachKeys = None

    def terminal(self) -> bool | None:
        """Whether the command gets a terminal, as :attr:`SessionOptions.terminal`. With ``--no-stdin`` our stdin is
        empty from here on.

        :raises UsageError: the options contradict each other, or want what stdin is not.
        """
        self._check()
        if self.no_stdin:
            null = os.open(os.devnull, os.O_RDONLY)
            os.dup2(null, 0)
            os.close(null)
        return self.tty if self.tty or self.interactive or self.no_stdin else None

    def _check(self) -> None:
        if self.detach:
            raise UsageError("--detach is not supported: a session ends with cntr", "end the line with & instead")
        if self.detach_keys is not None:
            raise UsageError("--detach-keys is not supported: a session ends with cntr", "leave it out")
        if self.no_stdin and (self.interactive or self.tty):
            raise UsageError("--no-stdin contradicts --interactive and --tty", "leave one of them out")
        if self.tty and self.interactive and not os.isatty(0):
            raise UsageError("--tty: stdin is not a terminal", "leave -t out")
