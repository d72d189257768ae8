"""``cntr run`` and ``cntr stop``."""

from __future__ import annotations

import enum
import signal
from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer

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
    from .remove import names

    return names()


def run(
    image: Annotated[
        str,
        typer.Argument(
            help="Path of an OCI layout, OCI or docker archive, or tar of a root directory (PATH:NAME where it "
            "holds several); or an image that an engine holds.",
            show_default=False,
        ),
    ],
    command: Annotated[
        list[str] | None, typer.Argument(help="Replaces the image's CMD; put -- before it.", show_default=False)
    ] = None,
    name: Annotated[str, typer.Option("--name", help="The container's name; else told by the image's.")] = "",
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Return at once, and print the name.")] = False,
    interactive: Annotated[bool, typer.Option("--interactive", "-i", help="Pass stdin on.")] = False,
    remove: Annotated[bool, typer.Option("--rm", help="Remove the container when it ends.")] = False,
    network: Annotated[
        Network, typer.Option("--network", help="A network of its own with nothing but lo, or the host's.")
    ] = Network.NONE,
    read_only: Annotated[bool, typer.Option("--read-only", help="Make the root file system read-only.")] = False,
    fallback: Annotated[
        bool,
        typer.Option("--fallback", help="Serve from its fat half what a slim image lacks, and note what that was."),
    ] = False,
    fat_image: Annotated[
        str | None, typer.Option("--fat-image", metavar="REF", help="--fallback, by this image.")
    ] = None,
    misses: Annotated[
        str,
        typer.Option(
            metavar="FILE", help="Where --fallback notes what the slim image lacked: for cntr slim --include-from."
        ),
    ] = "",
) -> None:
    """Run an image as a container of the oci engine: no daemon, no registry.

    The exit code is the command's own. Without --rm the container stays listed until cntr stop removes it.
    """
    from cntr_core.errors import UsageError
    from cntr_core.plugins import load

    from .lifetime import run_detached, run_foreground
    from .prepare import ContainerOptions, fill, new_directory
    from .remove import discard

    if detach and interactive:
        raise UsageError("--detach and --interactive contradict each other")
    if misses and not (fallback or fat_image):
        raise UsageError("--misses is for --fallback", "without it a missing file is just missing")
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _exit_by_signal)
    below = fat_image if fat_image is not None else "" if fallback else None
    request = ContainerOptions(image, name, tuple(command or ()), network is Network.HOST, read_only, below, misses)
    directory = new_directory(request)
    with directory.lock(0):
        try:
            record = fill(directory, request, load().engines)
        except BaseException:
            discard(directory, None)
            raise
        if not detach:
            raise typer.Exit(run_foreground(directory, record, interactive=interactive, remove=remove))
        run_detached(directory, record, remove=remove)
        typer.echo(directory.name)


def stop(
    containers: Annotated[
        list[str], typer.Argument(metavar="NAME...", help="Names or ids.", autocompletion=_names, show_default=False)
    ],
    timeout: Annotated[
        float, typer.Option("--timeout", "-t", min=0, help="Seconds between the stop signal and SIGKILL.")
    ] = 10.0,
) -> None:
    """Stop containers of the oci engine, running or not, and remove them with everything that they wrote."""
    from cntr_core.errors import UsageError

    from .remove import find
    from .remove import stop as stop_container

    if not timeout <= _LONGEST:  # nan is no less than anything
        raise UsageError(f"--timeout cannot be {timeout:g}", f"give seconds, {_LONGEST} at most")
    for name in containers:
        stop_container(find(name.removeprefix("oci://")), timeout)


def _exit_by_signal(number: int, _frame: object) -> NoReturn:
    raise SystemExit(128 + number)
