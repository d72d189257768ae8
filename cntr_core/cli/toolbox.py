"""``cntr toolbox``: an image of tools, for machines that have none."""

# ruff: noqa: ARG001 - --debug acts by its callback

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from . import output
from .interrupts import undo_on_signals

if TYPE_CHECKING:
    from ..images.write.destination import Destination
    from ..toolbox.build import Toolbox
    from .answers import BuiltToolbox
    from .progress import TerminalDisplay

SUITE = "trixie"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
TOOLBOX_SCHEMA: Literal[1] = 1
"""The version of what ``--json`` prints."""
NAME = "toolbox:latest"

Packages = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[PACKAGE...]",
        help="Take these Debian packages, and what they need; default: gdb, strace, tcpdump, curl, vim and others.",
        show_default=False,
    ),
]
Mirror = Annotated[
    str,
    typer.Option(
        "--mirror",
        metavar="URL",
        help="Take the packages from this archive; default: the one of Debian that apt-get takes them from here.",
        show_default=False,
    ),
]
Suite = Annotated[str, typer.Option("--suite", metavar="NAME", help="Take them from this suite of the archive.")]
Keyring = Annotated[
    str, typer.Option("--keyring", metavar="FILE", help="Check the signature of the archive by the keys in this file.")
]
Target = Annotated[
    str,
    typer.Option(
        "--output",
        "-o",
        metavar="DEST",
        help="Write the image to PATH.tar, a directory (OCI layout), ENGINE://NAME or registry://HOST/NAME; default: "
        "where --tools toolbox finds it.",
        show_default=False,
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(
        help="Make an image of tools from Debian packages.", no_args_is_help=True, rich_markup_mode="rich"
    )
    group.callback()(_group)
    group.command("build")(build)
    app.add_typer(group, name="toolbox")


def _group() -> None:
    """Make an image of tools from Debian packages."""


def build(
    packages: Packages = None,
    mirror: Mirror = "",
    suite: Suite = SUITE,
    keyring: Keyring = KEYRING,
    target: Target = "",
    json: output.Json = False,
    debug: output.Debug = False,
) -> int:
    """Make an image of tools from Debian packages, for [bold]cntr attach --tools toolbox[/].

    It needs gpgv and the archive's keys; no Debian, no root and no daemon. Nothing of the packages is run.
    """
    undo_on_signals()
    from ..toolbox.archive import Source, mirror_of_host
    from ..toolbox.build import DEFAULT_PACKAGES, architecture
    from ..toolbox.build import build as build_toolbox
    from .progress import display

    destination = _destination(target)
    destination.check()
    source = Source(mirror or mirror_of_host(), suite, keyring, architecture())
    with _work() as work, display() as shown:
        toolbox = build_toolbox(source, packages or DEFAULT_PACKAGES, work, shown)
        _save(toolbox, destination, "" if "://" in target else NAME, work, shown)
    output.print_answer(json, _answer(toolbox, target), _lines(toolbox, target))
    return 0


@contextmanager
def _work() -> Iterator[str]:
    from ..images.temporary import temporary_directory

    with temporary_directory("cntr-toolbox-") as (work, _):
        yield work


def _destination(target: str) -> Destination:
    """Where the image goes; :raises UsageError: nowhere."""
    from ..images.write.destination import ArchiveDestination, parse_destination
    from ..plugins import load
    from ..toolbox.place import toolbox_path

    if target:
        return parse_destination(target, load().engines if "://" in target else ())
    path = toolbox_path()
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    return ArchiveDestination(path)


def _save(toolbox: Toolbox, destination: Destination, name: str, work: str, shown: TerminalDisplay) -> None:
    """The toolbox's own place has it plain: the session serves it from there."""
    from ..images.write.compress import Compression
    from ..images.write.pack import pack
    from ..toolbox.place import is_place

    compression = Compression.NONE if is_place(getattr(destination, "path", "")) else destination.compression
    shown.expect("compressing", toolbox.image.layers[0].size)
    packed = pack(toolbox.image, work, compression, shown.moved)
    shown.expect_saved([(name, packed)])
    destination.save([(name, packed)], shown.moved)


def _answer(toolbox: Toolbox, target: str) -> BuiltToolbox:
    return {
        "schema": TOOLBOX_SCHEMA,
        "tools": f"image:{target}" if target else "toolbox",
        "size": toolbox.image.layers[0].size,
        "diff_id": toolbox.image.layers[0].diff_id,
        "packages": [{"name": package.name, "version": package.version} for package in toolbox.packages],
    }


def _lines(toolbox: Toolbox, target: str) -> Iterator[str]:
    tools = f"image:{target}" if target else "toolbox"
    yield f"{len(toolbox.packages)} packages, {toolbox.image.layers[0].size / 1e6:.0f} MB"
    yield f"use it with: cntr attach NAME --tools {tools}"
