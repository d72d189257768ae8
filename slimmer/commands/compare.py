"""``cntr diff``: two images, file by file."""

# ruff: noqa: ARG001 - --debug acts by its callback

from __future__ import annotations

import os
from typing import Annotated

import typer

from cntr_core.cli import output

from . import options

_SIGNS = {"added": "A", "removed": "D", "changed": "C"}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("diff")(diff)


def diff(
    one: options.Image,
    other: Annotated[str, typer.Argument(metavar="IMAGE", help="Compare with this image.", show_default=False)],
    no_times: Annotated[bool, typer.Option("--no-times", help="Ignore modification times.")] = False,
    platform: options.ForPlatform = None,
    json: output.Json = False,
    debug: output.Debug = False,
) -> int:
    """Compare two images file by file: type, mode, owner, time, extended attributes, links, content.

    Exit code: 0 if nothing differs, 1 otherwise.
    """
    from cntr_core.images.tree.diff import difference
    from cntr_core.images.tree.layers import open_layers

    options.end_by_signals()
    with (
        options.opened(one, platform) as left,
        options.opened(other, platform) as right,
        open_layers(left) as before,
        open_layers(right) as after,
    ):
        changes = list(difference(before, after, times=not no_times))
    if json:
        output.print_json([{"path": os.fsdecode(c.path), "kind": c.kind, "what": list(c.what)} for c in changes])
    else:
        for change in changes:
            what = f" ({', '.join(change.what)})" if change.what else ""
            typer.echo(f"{_SIGNS[change.kind]} {output.plain(os.fsdecode(change.path))}{what}")
    return 1 if changes else 0
