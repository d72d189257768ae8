"""Options that several commands share, and how their words become values."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    import re

    from cntr_core import Engine, Filesystem
    from cntr_core.images import Image as OpenImage
    from cntr_core.images import Platform

    from ..probes.spec import Probe
    from ..request import RunOptions

RUN, KEEP, OUTPUT = "Running", "What is kept", "Output"

Image = Annotated[
    str,
    typer.Argument(
        metavar="IMAGE",
        help="Path of an OCI layout, OCI or docker archive (PATH:NAME where it holds several), or tar of a root "
        "directory; ENGINE://NAME; registry://HOST/NAME:TAG; or a name that an engine knows.",
        show_default=False,
    ),
]
Probes = Annotated[
    list[str] | None,
    typer.Option(
        "--probe",
        metavar="SPEC",
        help="How to use the container: http\\[:PORT]\\[/PATH]\\[=STATUS], tcp:PORT, exec:CMD, script:FILE, crawl, "
        "openapi:PATH, quiet:10s, exit, manual. Repeatable, in order.",
        rich_help_panel=RUN,
    ),
]
Until = Annotated[
    str | None,
    typer.Option("--until", metavar="SPEC", help="One more probe, after the others: quiet:10s.", rich_help_panel=RUN),
]
ByHand = Annotated[
    bool, typer.Option("--manual", help="Use the container by hand; Enter goes on.", rich_help_panel=RUN)
]
Words = Annotated[
    list[str] | None, typer.Argument(help="Replaces the image's CMD; put -- before it.", show_default=False)
]
Timeout = Annotated[
    float, typer.Option("--timeout", min=0.1, help="Seconds for all probes of one run.", rich_help_panel=RUN)
]
StopTimeout = Annotated[
    float,
    typer.Option("--stop-timeout", min=0, help="Seconds between the stop signal and SIGKILL.", rich_help_panel=RUN),
]
HostNetwork = Annotated[
    bool,
    typer.Option(
        "--host-network", help="Use this machine's network; else there is nothing but lo.", rich_help_panel=RUN
    ),
]
ReadOnly = Annotated[
    bool, typer.Option("--read-only", help="Make the container's root read-only.", rich_help_panel=RUN)
]
InEngine = Annotated[
    str | None,
    typer.Option(
        "--engine",
        metavar="NAME",
        help="Run it in containers of docker, podman or containerd. Else in ours, which need no engine.",
        rich_help_panel=RUN,
    ),
]
Environment = Annotated[
    list[str] | None,
    typer.Option("--env", "-e", metavar="NAME=VALUE", help="With --engine: set a variable.", rich_help_panel=RUN),
]
Volumes = Annotated[
    list[str] | None,
    typer.Option("--volume", "-v", metavar="SOURCE:TARGET", help="With --engine: mount a volume.", rich_help_panel=RUN),
]
Published = Annotated[
    list[str] | None,
    typer.Option("--publish", "-p", metavar="PORT:PORT", help="With --engine: publish a port.", rich_help_panel=RUN),
]
Network = Annotated[
    str, typer.Option("--network", metavar="NAME", help="With --engine: join this network.", rich_help_panel=RUN)
]
Backend = Annotated[
    str, typer.Option("--fs", metavar="NAME", help="The filesystem backend that watches.", rich_help_panel=RUN)
]
ForPlatform = Annotated[
    str | None,
    typer.Option("--platform", metavar="OS/ARCH[/VARIANT]", help="Which image of an index; else this machine's."),
]


def probes_of(specs: Sequence[str] | None, until: str | None, manual: bool) -> tuple[Probe, ...]:
    """The probes that the options name; :raises UsageError: one is malformed."""
    from ..probes.spec import parse

    words = [*(specs or ()), *([until] if until else ()), *(["manual"] if manual else ())]
    return tuple(parse(word) for word in words)


def listed(files: Sequence[str] | None) -> list[str]:
    """The paths that ``cntr run --misses`` wrote to `files`, as patterns; :raises UsageError: one cannot be read."""
    import glob
    import re

    from cntr_core.errors import UsageError

    found = []
    for path in files or ():
        try:
            with open(path, encoding="utf-8", errors="surrogateescape") as file:
                lines = file.read().splitlines()
        except OSError as error:
            raise UsageError(f"{path} cannot be read: {error.strerror}", "name a file of cntr run --misses") from None
        found += [glob.escape(re.sub(r"\\(.)", _unescaped, line)) for line in lines]
    return found


def _unescaped(match: re.Match[str]) -> str:
    return "\n" if match[1] == "n" else match[1]


def platform_of(text: str | None) -> Platform | None:
    """:raises ImageError: it is no platform."""
    from cntr_core.images import Platform

    return Platform.parse(text) if text else None


def opened(reference: str, platform: str | None, progress: Callable[[int], object] = lambda _: None) -> OpenImage:
    """The image that the words of a call mean; `progress` is told how many more bytes came from an engine.

    :raises CntrError: there is none, or it cannot be read.
    """
    from cntr_core.images import open_image

    return open_image(reference, platform=platform_of(platform), engines=engines(), progress=progress)


def backend(name: str) -> Filesystem:
    """The filesystem backend called `name`; :raises PluginError: there is none."""
    from cntr_core.plugins import load

    return load().filesystem(name)


def engines() -> Sequence[Engine]:
    """All engines."""
    from cntr_core.plugins import load

    return load().engines


def run_options(
    *,
    probe: Sequence[str] | None,
    until: str | None,
    manual: bool,
    command: Sequence[str] | None,
    timeout: float,
    stop_timeout: float,
    host_network: bool,
    read_only: bool,
    engine: str | None,
    env: Sequence[str] | None,
    volume: Sequence[str] | None,
    publish: Sequence[str] | None,
    network: str,
) -> RunOptions:
    """How the image runs, from the options above.

    :raises CntrError: a probe is malformed, there is no such engine, it cannot trace, or the options want one.
    """
    from cntr_core.engine import chosen
    from cntr_core.engine.tracing import GatedOptions, gated_engine
    from cntr_core.errors import UsageError

    from ..request import RunOptions

    told = GatedOptions(tuple(env or ()), tuple(volume or ()), publish=tuple(publish or ()), network=network)
    if engine is None and told != GatedOptions():
        raise UsageError("--env, --volume, --publish and --network are an engine's", "add --engine docker")
    return RunOptions(
        probes=probes_of(probe, until, manual),
        command=tuple(command or ()),
        host_network=host_network,
        read_only=read_only,
        timeout=timeout,
        stop_limit=stop_timeout,
        engine=None if engine is None else gated_engine(chosen(engine, engines())[0], engine),
        options=told,
    )


def end_by_signals() -> None:
    """SIGTERM and SIGHUP end the program as Ctrl-C does: everything that was begun is undone."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _exit_by_signal)


def _exit_by_signal(number: int, _frame: object) -> NoReturn:
    raise SystemExit(128 + number)
