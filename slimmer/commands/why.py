"""``cntr why``: one path, and the reason for its fate."""

# ruff: noqa: ARG001 - --debug acts by its callback

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from cntr_core.cli import output
from cntr_core.cli.completion import complete_image
from cntr_core.cli.interrupts import undo_on_signals

from . import options

if TYPE_CHECKING:
    from ..report.schema import Report

Reported = Annotated[
    str,
    typer.Argument(
        metavar="IMAGE",
        autocompletion=complete_image,
        help="Read the report of this slim image, or from this directory or report.json.",
        show_default=False,
    ),
]
Path = Annotated[str, typer.Argument(metavar="PATH", help="Explain this path of the image.", show_default=False)]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("why")(why)


def why(
    image: Reported,
    path: Path,
    platform: options.ForPlatform = None,
    json: output.Json = False,
    debug: output.Debug = False,
) -> int:
    """Explain why a path is in a slim image, or why not and what would keep it.

    Exit code: 0 if it is kept, 1 otherwise.
    """
    undo_on_signals()
    from ..report.lookup import why as find

    answer = find(_report(image, platform), path)
    output.print_answer(json, answer.to_json(), answer.lines())
    return 0 if answer.state == "kept" else 1


def _report(reference: str, platform: str | None) -> Report:
    """:raises CntrError: there is none."""
    from cntr_core.errors import UsageError
    from cntr_core.labels import PAIR

    from ..report.memory import remembered
    from ..report.write import read_report

    for path in (reference, os.path.join(reference, "report.json")):
        if path.endswith("report.json") and os.path.isfile(path):
            return read_report(path)
    with options.opened(reference, platform) as image:
        pair = image.config.labels.get(PAIR)
    if not pair:
        raise UsageError(f"{reference} is not a slim image", "give a slim image, or the directory of its report")
    found = remembered(pair)
    if found is None:
        raise UsageError(f"the report of {reference} is not on this machine", "give the directory of its report")
    return found
