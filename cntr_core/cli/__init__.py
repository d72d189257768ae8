"""The command line: the only package that prints or exits. Heavy imports happen inside the commands."""

from __future__ import annotations

import gc
import signal
import sys

TYPE_CHECKING = False  # as in cntr_core/__init__.py
if TYPE_CHECKING:
    from typing import NoReturn

_ENTERING = ("attach", "exec", "cp")
"""The commands that enter containers, and so must not run from an interpreter that one could write to."""

_OF_OTHERS = ("docker-cntr", "kubectl-cntr")
"""What other programs call this one that take it for a part of theirs."""

_MANY_OBJECTS = 50_000
"""So many new ones before Python looks for circles of garbage: 60 searches took 5 % of a short call."""


def main() -> None:
    """Entry point of the ``cntr`` program. Does not return."""
    _reset_signals()
    gc.set_threshold(_MANY_OBJECTS)
    if "cntr" in sys.argv[1:] or sys.argv[0].endswith(_OF_OTHERS):
        from .plugin_of import words_of

        sys.argv[:] = ["cntr", *words_of(sys.argv[0], sys.argv[1:])]
    if command_word() in _ENTERING:
        from .protect import run_read_only

        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # Python would show where it stands in its start
        run_read_only()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    from .program import main as run

    run()


def command_word() -> str:
    """The command of the call: its first word that is no option, for those before it take no values."""
    return next((word for word in sys.argv[1:] if not word.startswith("-")), "")


def _reset_signals() -> None:
    """Undo what a caller may have handed down (execve(2)), and let Ctrl-C end the program while it is being loaded.

    Children could not be waited for where SIGCHLD is ignored. An ignored SIGINT stays so: it is a background job.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def end_by_signals() -> None:
    """SIGTERM and SIGHUP end the program as Ctrl-C does: everything that was begun is undone. Ignored ones stay so."""
    from ..errors import EndedBySignal

    def end(number: int, _frame: object) -> NoReturn:
        raise EndedBySignal(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # nohup(1)
            signal.signal(number, end)
