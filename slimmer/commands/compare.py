"""``cntr diff``: two images, file by file."""

# ruff: noqa: ARG001 - --debug acts by its callback

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from cntr_core.cli import output
from cntr_core.cli.completion import complete_image
from cntr_core.cli.interrupts import undo_on_signals

from . import options

if TYPE_CHECKING:
    from cntr_core.images.tree.diff import Change

    from .answers import Changed

Other = Annotated[
    str,
    typer.Argument(metavar="IMAGE", autocompletion=complete_image, help="Compare with this image.", show_default=False),
]
NoTimes = Annotated[bool, typer.Option("--no-times", help="Ignore modification times.")]

_SIGNS = {"added": "A", "removed": "D", "changed": "C"}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("diff")(diff)


def diff(
    one: options.Image,
    other: Other,
    no_times: NoTimes = False,
    platform: options.ForPlatform = None,
    json: output.Json = False,
    debug: output.Debug = False,
) -> int:
    """Compare two images file by file: type, mode, owner, time, extended attributes, links, content.

    Exit code: 0 if nothing differs, 1 otherwise.
    """
    undo_on_signals()
    changes = _changes(one, other, platform, times=not no_times)
    values: list[Changed] = [{"path": os.fsdecode(c.path), "kind": c.kind, "what": list(c.what)} for c in changes]
    output.print_answer(json, values, map(_line, changes))
    return 1 if changes else 0


def _line(change: Change) -> str:
    what = f" ({', '.join(change.what)})" if change.what else ""
    return f"{_SIGNS[change.kind]} {os.fsdecode(change.path)}{what}"


def _changes(one: str, other: str, platform: str | None, *, times: bool) -> Sequence[Change]:
    from cntr_core.images.tree.diff import difference
    from cntr_core.images.tree.layers import open_layers

    with (
        options.opened(one, platform) as left,
        options.opened(other, platform) as right,
        open_layers(left) as before,
        open_layers(right) as after,
    ):
        return list(difference(before, after, times=times))
