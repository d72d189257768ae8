"""``cntr run`` and ``cntr stop``."""

from __future__ import annotations

import enum
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from cntr_core.cli import container_options
from cntr_core.cli.completion import complete_image
from cntr_core.cli.confinement import Memory, PidsLimit, SecurityOpt, confinement
from cntr_core.cli.expanded import expanded
from cntr_core.cli.options import Env, EnvFile
from cntr_core.cli.session_options import seconds
from cntr_core.cli.words import EndsAtName
from cntr_core.dataclass import dataclass

if TYPE_CHECKING:
    from cntr_core.runtime import RuntimeOptions

    from .lifetime import Lifetime


class Network(enum.Enum):
    """What ``--network`` takes."""

    NONE = "none"
    HOST = "host"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("run", cls=EndsAtName)(expanded(run))
    app.command("stop")(stop)


def _names(incomplete: str) -> Sequence[str]:
    from cntr_core.cli.completion import offer

    from .state import directories

    scheme = "oci://" if incomplete.startswith("oci:") else ""
    return [offer(f"{scheme}{one.name}") for one in directories() if f"{scheme}{one.name}".startswith(incomplete)]


_Image = Annotated[
    str,
    typer.Argument(
        metavar="IMAGE",
        autocompletion=complete_image,
        help="Run this image: path of an OCI layout, an OCI or docker archive, or a tar of a root directory "
        "(PATH:NAME if it holds several); or an image of an engine.",
        show_default=False,
    ),
]
_Command = Annotated[
    list[str] | None,
    typer.Argument(metavar="[COMMAND [ARG]...]", help="Run this instead of the image's CMD.", show_default=False),
]
_Fallback = Annotated[
    bool,
    typer.Option("--fallback", help="Serve files that the slim image lacks from its fat image, and list them."),
]
_FatImage = Annotated[
    str | None,
    typer.Option("--fat-image", metavar="REF", autocompletion=complete_image, help="Use this image for --fallback."),
]
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


@dataclass(frozen=True, slots=True)
class Life:
    """How the container lives, and with which streams."""

    detach: Annotated[bool, typer.Option("--detach", "-d", help="Return at once, and print the name.")] = False
    interactive: Annotated[
        bool, typer.Option("--interactive", "-i", help="Connect stdin to the container; with -d: keep it open.")
    ] = False
    tty: Annotated[bool, typer.Option("--tty", "-t", help="Give the container a terminal.")] = False
    remove: Annotated[bool, typer.Option("--rm", help="Remove the container when it ends.")] = False

    def checked(self) -> Lifetime:
        """The same for what runs it; :raises UsageError: stdin is not what it must be."""
        from cntr_core.errors import UsageError

        from .lifetime import Lifetime

        if self.tty and self.interactive and not self.detach and not os.isatty(0):
            raise UsageError("--tty: stdin is not a terminal", "leave -t out")
        return Lifetime(self.interactive, self.tty, self.remove)


@dataclass(frozen=True, slots=True)
class Inside:
    """As whom, where and with what the container's first process runs."""

    user: container_options.User = ""
    workdir: container_options.Workdir = ""
    entrypoint: container_options.Entrypoint = None
    env: Env = None
    env_file: EnvFile = None
    mount: container_options.Mount = None
    volume: container_options.Volume = None
    network: _NetworkOption = Network.NONE
    read_only: Annotated[bool, typer.Option("--read-only", help="Make the root filesystem read-only.")] = False
    memory: Memory = ""
    pids_limit: PidsLimit = None
    security_opt: SecurityOpt = None

    def options(self, command: Sequence[str], *, terminal: bool) -> RuntimeOptions:
        """The same for the runtime; :raises UsageError: something of it makes no sense."""
        from cntr_core.cli.env_file import assigned, variables
        from cntr_core.cli.mounts import own_mounts, read_mounts
        from cntr_core.runtime import RuntimeOptions

        mounts, volumes = own_mounts(read_mounts(self.mount or (), self.volume or ()))
        return RuntimeOptions(
            command=tuple(command),
            host_network=self.network is Network.HOST,
            read_only=self.read_only,
            terminal=terminal,
            user=self.user,
            working_dir=container_options.checked_workdir(self.workdir),
            entrypoint=container_options.entrypoint_of(self.entrypoint),
            env=assigned(variables(self.env_file or (), self.env or ())),
            mounts=mounts,
            volumes=volumes,
            confinement=confinement(self.memory, self.pids_limit, self.security_opt),
        )


def run(
    image: _Image,
    life: Life,
    inside: Inside,
    command: _Command = None,
    name: Annotated[
        str, typer.Option("--name", metavar="NAME", help="Name the container; default: from the image's name.")
    ] = "",
    fallback: _Fallback = False,
    fat_image: _FatImage = None,
    misses: _Misses = "",
) -> int:
    """Run an image as a container of the oci engine, without a daemon.

    The exit code is the command's own. Without --rm the container stays listed until cntr stop removes it.
    """
    from cntr_core.errors import UsageError

    from .interrupts import created, signals_noted
    from .lifetime import run_detached, run_foreground
    from .prepare import ContainerOptions, new_directory
    from .remove import stop as stop_container

    if misses and not (fallback or fat_image):
        raise UsageError("--misses is only for --fallback", "add --fallback")
    below = fat_image if fat_image is not None else "" if fallback else None
    lifetime = life.checked()
    options = ContainerOptions(image, name, inside.options(command or (), terminal=life.tty), below, misses)
    with signals_noted() as signals:
        directory = new_directory(options)
        with directory.lock(0):
            record = created(directory, options, signals)
            if not life.detach:
                return run_foreground(directory, record, lifetime, signals.came)
            run_detached(directory, record, lifetime)
        if signals.came:
            stop_container(directory, 0)
            return 128 + signals.came[0]
    typer.echo(directory.name)
    return 0


def stop(containers: _Containers, timeout: _Timeout = 10.0) -> None:
    """Stop and remove containers of the oci engine, with everything that they wrote."""
    from .of_caller import stop_named

    timeout = seconds(timeout, "--timeout")
    for name in containers:
        stop_named(name, timeout)
