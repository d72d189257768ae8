"""The ``cntr`` program: runs what its words mean, and turns every error into one sentence and an exit code."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from typing import NoReturn

from ..errors import CntrError
from . import help_pages, output, plain


def main() -> NoReturn:
    """Entry point of the ``cntr`` program. Never returns: 0, the command's own code, or one of errors.py."""
    _open_missing_streams()
    try:
        if signal.getsignal(signal.SIGINT) == signal.SIG_DFL:  # from here on there may be something to clean up
            signal.signal(signal.SIGINT, signal.default_int_handler)
        sys.unraisablehook = _interrupt_again
        code = _run()
        sys.stdout.flush()
    except CntrError as error:
        code = output.report(error)
    except KeyboardInterrupt:
        code = 130
    except SystemExit as left:
        if not isinstance(left.__context__, BrokenPipeError):
            raise
        code = 141  # typer has caught it, and exits with 1
    except BrokenPipeError:
        code = 141
    except Exception as error:
        code = output.report_unexpected(error)
    _exit(code if isinstance(code, int) else 0)


def _run() -> object:
    if sys.argv[1:2] == ["docker-cli-plugin-metadata"]:
        from .plugin_of import metadata

        print(metadata())
        return 0
    call = plain.read(sys.argv[1:], os.environ)
    if call is not None:
        return plain.run(call)
    if help_pages.is_page(sys.argv[1:], os.environ):
        return help_pages.show(sys.argv[1:])
    from . import app

    return app.run()


def _interrupt_again(lost: sys.UnraisableHookArgs) -> None:
    """Python drops what a signal's handler raises while an object is finalised, or a process forked: let it come again,
    a moment later."""
    kind, code = lost.exc_type, getattr(lost.exc_value, "code", None)
    if not issubclass(kind, (KeyboardInterrupt, SystemExit)):
        sys.__unraisablehook__(lost)
        return

    def again(_number: int, _frame: object) -> NoReturn:
        raise KeyboardInterrupt if kind is KeyboardInterrupt else kind(code)

    signal.signal(signal.SIGALRM, again)
    signal.setitimer(signal.ITIMER_REAL, 0.01)


def _open_missing_streams() -> None:
    """Without 0, 1 or 2 the next file that is opened would take its place, and Python has no stream for it."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open("/dev/null", os.O_RDWR)  # the lowest free descriptor: this one
            os.set_inheritable(number, True)
            setattr(sys, name, os.fdopen(number, "w" if number else "r", closefd=False))


def _exit(code: int) -> NoReturn:
    """Leave at once: threads that carry sockets may still be blocked, and there is nothing left to clean up."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(code)
