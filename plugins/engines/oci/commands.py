"""``cntr run`` and ``cntr stop``."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Annotated

import typer

from cntr_core.cli import end_by_signals

_LONGEST = 2_000_000
"""Seconds: poll(2) counts milliseconds in an int."""


class Network(enum.Enum):
    """What ``--network`` takes."""

    NONE = "none"
    HOST = "host"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("run")(run)
    app.command("stop")(stop)


def _names() -> Sequence[str]:
    from .state import directories

    return [directory.name for directory in directories()]


_Image = Annotated[
    str,
    typer.Argument(
        metavar="IMAGE",
        help="Run this image: path of an OCI layout, an OCI or docker archive, or a tar of a root directory "
        "(PATH:NAME if it holds several); or an image of an engine.",
        show_default=False,
    ),
]
_Command = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[COMMAND]...", help="Run this instead of the image's CMD; put -- before it.", show_default=False
    ),
]
_Fallback = Annotated[
    bool,
    typer.Option("--fallback", help="Serve files that the slim image lacks from its fat image, and list them."),
]
_FatImage = Annotated[str | None, typer.Option("--fat-image", metavar="REF", help="Use this image for --fallback.")]
_Misses = Annotated[
    str,
    typer.Option(metavar="FILE", help="Write the list of --fallback to FILE, for cntr slim --include-from."),
]
_NetworkOption = Annotated[Network, typer.Option("--network", help="Use a network with loopback only, or the host's.")]
_Containers = Annotated[
    list[str],
    typer.Argument(
        metavar="NAME...", help="Give names or ids of containers.", autocompletion=_names, show_default=False
    ),
]
_Timeout = Annotated[
    float,
    typer.Option(
        "--timeout", "-t", metavar="SECONDS", min=0, help="Wait this many seconds between the stop signal and SIGKILL."
    ),
]


def run(
    image: _Image,
    command: _Command = None,
    name: Annotated[
        str, typer.Option("--name", metavar="NAME", help="Name the container; default: from the image's name.")
    ] = "",
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Return at once, and print the name.")] = False,
    interactive: Annotated[bool, typer.Option("--interactive", "-i", help="Connect stdin to the container.")] = False,
    remove: Annotated[bool, typer.Option("--rm", help="Remove the container when it ends.")] = False,
    network: _NetworkOption = Network.NONE,
    read_only: Annotated[bool, typer.Option("--read-only", help="Make the root filesystem read-only.")] = False,
    fallback: _Fallback = False,
    fat_image: _FatImage = None,
    misses: _Misses = "",
) -> None:
    """Run an image as a container of the oci engine, without a daemon.

    The exit code is the command's own. Without --rm the container stays listed until cntr stop removes it.
    """
    from cntr_core.errors import UsageError
    from cntr_core.runtime import RuntimeOptions

    from .lifetime import run_detached, run_foreground
    from .prepare import ContainerOptions, create, new_directory

    if detach and interactive:
        raise UsageError("--detach and --interactive contradict each other")
    if misses and not (fallback or fat_image):
        raise UsageError("--misses is only for --fallback", "add --fallback")
    end_by_signals()
    below = fat_image if fat_image is not None else "" if fallback else None
    runtime = RuntimeOptions(tuple(command or ()), network is Network.HOST, read_only)
    options = ContainerOptions(image, name, runtime, below, misses)
    directory = new_directory(options)
    with directory.lock(0):
        record = create(directory, options)
        if not detach:
            raise typer.Exit(run_foreground(directory, record, interactive=interactive, remove=remove))
        run_detached(directory, record, remove=remove)
        typer.echo(directory.name)


def stop(containers: _Containers, timeout: _Timeout = 10.0) -> None:
    """Stop and remove containers of the oci engine, with everything that they wrote."""
    from cntr_core.errors import UsageError

    from .remove import find
    from .remove import stop as stop_container

    if not timeout <= _LONGEST:  # nan is no less than anything
        raise UsageError(f"--timeout cannot be {timeout:g}", f"give seconds, {_LONGEST} at most")
    for name in containers:
        stop_container(find(name.removeprefix("oci://")), timeout)
