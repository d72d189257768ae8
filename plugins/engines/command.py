"""A command of the user's, for managers that nobody has written an engine for: it prints the PID for a name."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from typing import ClassVar

from cntr_core import Container, Engine, EngineStatus, hookimpl
from cntr_core.dataclass import replace
from cntr_core.errors import EngineAbsent, EngineError
from cntr_core.reasons import reason

from .pid import PidEngine
from .programs import printed

_VARIABLE = "CNTR_COMMAND"


class CommandEngine(Engine):
    """Runs the command of ``CNTR_COMMAND``, in the shell's words and without a shell, with the name as last argument.

    It prints one PID, or nothing where it does not know the name. ``pgrep --oldest --full --`` finds a process by its
    command line.
    """

    name: ClassVar[str] = "command"

    def status(self) -> EngineStatus:
        try:
            words = _words()
        except EngineError as error:
            return EngineStatus(available=False, detail=error.message, hint=error.hint)
        return EngineStatus(available=True, detail="runs a command to find the process", endpoint=shlex.join(words))

    def check_presence(self) -> None:
        _words()

    def containers(self) -> Sequence[Container]:
        """None: the command knows names that it is given, and tells no others."""
        _words()
        return ()

    def find(self, name: str) -> Sequence[Container]:
        pid = printed(self.name, *_words(), name, absent=f"correct {_VARIABLE}", may_find_nothing=True).strip()
        if not pid:
            return []
        if not pid.isascii() or not pid.isdecimal():
            raise EngineError(f"{_VARIABLE} prints no PID for {name}: {pid:.60}", "let it print one number")
        return [replace(found, engine=self.name, id=name, name=name) for found in PidEngine().find(pid)]


def _words() -> list[str]:
    """:raises EngineAbsent: there is no command.
    :raises EngineError: its quotes are not closed.
    """
    try:
        words = shlex.split(os.environ.get(_VARIABLE, ""))
    except ValueError as error:
        raise EngineError(f"{_VARIABLE} cannot be split into words: {reason(error)}", "quote as in a shell") from None
    if not words:
        raise EngineAbsent(f"no command is set in {_VARIABLE}", "set it to a command that prints the PID for a name")
    return words


@hookimpl
def cntr_register_engine() -> Engine:
    return CommandEngine()
