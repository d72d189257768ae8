"""The ``cntr`` program: builds the command tree, runs it, and turns every error into one sentence and an exit code."""

# ruff: noqa: ARG001 - --version and --debug act by their callbacks

from __future__ import annotations

import contextlib
import os
import signal
import sys
from typing import Annotated, NoReturn

import typer
from typer.exceptions import TyperException

from ..errors import CntrError
from . import command_word, output
from .completion import join_words

_EPILOG = "Exit codes: the command's own; 125 for errors of cntr, 126 and 127 as in shells, 128+n for signal n."

app = typer.Typer(
    name="cntr",
    help="Attach tools to running containers, and split images into a slim and a fat image.",
    epilog=_EPILOG,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from ..version import version as installed

        typer.echo(f"cntr {installed()}")
        raise typer.Exit


@app.callback()
def _root(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit."),
    ] = False,
    debug: output.Debug = False,
) -> None:
    """Attach tools to running containers, and split images into a slim and a fat image."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def build(word: str = "") -> typer.Typer:
    """The whole command tree: our commands, then those of plugins. Of it only the command `word` where that enters
    containers, which is measured in milliseconds; no plugin can replace it."""
    if word in ("attach", "exec"):
        from . import attach

        attach.register(app, only=word)
    elif word == "cp":
        from . import cp

        cp.register(app)
    else:
        _build_all()
    return app


def _build_all() -> None:
    from ..plugins import register_commands
    from . import attach, cp, inspect

    attach.register(app)
    cp.register(app)
    inspect.register(app)
    register_commands(app)


def main() -> NoReturn:
    """Entry point of the ``cntr`` program. Never returns: 0, the command's own code, or one of errors.py."""
    _open_missing_streams()
    try:
        if signal.getsignal(signal.SIGINT) == signal.SIG_DFL:  # from here on there may be something to clean up
            signal.signal(signal.SIGINT, signal.default_int_handler)
        sys.unraisablehook = _interrupt_again
        join_words()
        code = build(command_word())(standalone_mode=False)
        sys.stdout.flush()
    except CntrError as error:
        code = output.report(error)
    except TyperException as error:
        code = output.report_usage(error)
    except (typer.Abort, KeyboardInterrupt):
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
