"""The command tree: built by typer, and run."""

# ruff: noqa: ARG001 - --version and --debug act by their callbacks

from __future__ import annotations

import sys
from typing import Annotated

import typer
from typer.exceptions import TyperException

from . import command_word, manual, output
from .completion import join_words
from .rich_parts import ask_for_help, import_for_help

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
    from . import attach, cp, inspect, toolbox

    attach.register(app)
    cp.register(app)
    inspect.register(app)
    toolbox.register(app)
    register_commands(app)


def run() -> object:
    """What the command gives that the words of the call name, or an exit code.

    :raises CntrError: as the command.
    """
    join_words()
    if ask_for_help(sys.argv[1:]):
        import_for_help()
        app.info.epilog = f"{_EPILOG} {manual.hint()}".rstrip()
    try:
        return build(command_word())(standalone_mode=False)
    except TyperException as error:
        return output.report_usage(error)
    except typer.Abort:
        return 130
