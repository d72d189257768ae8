"""``cntr slim``: an image becomes a slim and a fat half, verified and explained."""

# ruff: noqa: ARG001 - --debug acts by its callback

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

import typer

from cntr_core.cli import output
from cntr_core.errors import UsageError

from . import names, options

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cntr_core.images import Image
    from cntr_core.images.write.compress import Compression
    from cntr_core.images.write.new_image import Named

    from ..pipeline import Slimmed
    from ..report.schema import Report
    from ..request import SlimRequest
    from .progress import TerminalDisplay

_KEEP = options.KEEP
_OUTPUT = options.OUTPUT
_PLAIN_WIDTH = 100
"""Columns of the report where it goes to a file."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("slim")(slim)


def slim(
    image: options.Image,
    command: options.Words = None,
    target: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="DEST",
            help="Where both halves go: PATH.tar, a directory (OCI layout), ENGINE://NAME, registry://HOST/NAME. "
            "Without it: NAME-slim.tar here, or the engine that IMAGE names.",
            rich_help_panel=_OUTPUT,
        ),
    ] = None,
    slim_name: Annotated[
        str | None, typer.Option("--slim-name", help="The slim half's name.", rich_help_panel=_OUTPUT)
    ] = None,
    fat_name: Annotated[
        str | None, typer.Option("--fat-name", help="The fat half's name.", rich_help_panel=_OUTPUT)
    ] = None,
    squash: Annotated[
        bool,
        typer.Option("--squash", help="Give the slim half one layer; join works as ever.", rich_help_panel=_OUTPUT),
    ] = False,
    compression: Annotated[
        str | None,
        typer.Option(help="gzip, zstd or none; else what suits the destination.", rich_help_panel=_OUTPUT),
    ] = None,
    report: Annotated[
        str | None,
        typer.Option(
            "--report",
            metavar="DIR",
            help="Where report.html, report.json and the trace go.",
            show_default="NAME-report",
            rich_help_panel=_OUTPUT,
        ),
    ] = None,
    probe: options.Probes = None,
    until: options.Until = None,
    manual: options.ByHand = False,
    verify_probe: Annotated[
        list[str] | None,
        typer.Option(
            "--verify-probe",
            metavar="SPEC",
            help="Ask this of the slim image too, though it was not traced. Repeatable.",
            rich_help_panel=options.RUN,
        ),
    ] = None,
    add_trace: Annotated[
        list[str] | None,
        typer.Option(
            "--trace", metavar="FILE", help="Keep what this trace used, too. Repeatable.", rich_help_panel=_KEEP
        ),
    ] = None,
    include: Annotated[
        list[str] | None,
        typer.Option(metavar="PATH", help="Keep it, and what it needs. A path or glob.", rich_help_panel=_KEEP),
    ] = None,
    include_from: Annotated[
        list[str] | None,
        typer.Option(
            "--include-from",
            metavar="FILE",
            help="Keep the paths in it, as cntr run --misses wrote them.",
            rich_help_panel=_KEEP,
        ),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(metavar="PATH", help="Leave it out, even if it was used.", rich_help_panel=_KEEP),
    ] = None,
    preserve: Annotated[
        list[str] | None,
        typer.Option(metavar="PATH", help="Keep it, whatever --exclude says.", rich_help_panel=_KEEP),
    ] = None,
    include_package: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Keep all files of this package.", rich_help_panel=_KEEP),
    ] = None,
    last_layers: Annotated[
        int, typer.Option(metavar="N", min=0, help="Keep the N topmost layers whole.", rich_help_panel=_KEEP)
    ] = 0,
    rule: Annotated[
        list[str] | None,
        typer.Option("--rule", metavar="NAME", help="Ask this rule, too.", rich_help_panel=_KEEP),
    ] = None,
    no_rule: Annotated[
        list[str] | None, typer.Option("--no-rule", metavar="NAME", help="Do not ask this rule.", rich_help_panel=_KEEP)
    ] = None,
    timeout: options.Timeout = 60.0,
    stop_timeout: options.StopTimeout = 10.0,
    host_network: options.HostNetwork = False,
    read_only: options.ReadOnly = False,
    engine: options.InEngine = None,
    env: options.Environment = None,
    volume: options.Volumes = None,
    publish: options.Published = None,
    network: options.Network = "",
    no_verify: Annotated[
        bool, typer.Option("--no-verify", help="Do not run the slim image.", rich_help_panel=options.RUN)
    ] = False,
    repairs: Annotated[
        int,
        typer.Option(
            metavar="N", min=0, help="How often a slim image that fails may learn.", rich_help_panel=options.RUN
        ),
    ] = 3,
    fs: options.Backend = "direct",
    platform: options.ForPlatform = None,
    json: output.Json = False,
    debug: output.Debug = False,
) -> int:
    """Split an image into a slim half, which has what its application uses, and a fat half, which has the rest.

    The image runs on a filesystem that watches; the slim half then does the same again, and must do it as well. Nothing
    is lost: [bold]cntr join[/] gives the original back, [bold]cntr attach --fat[/] shows it in the running container.
    """
    from ..request import SlimRequest
    from ..selection import SelectionOptions
    from ..trace.file import read

    options.end_by_signals()
    wishes = SelectionOptions(
        include=(*(include or ()), *options.listed(include_from)),
        exclude=tuple(exclude or ()),
        preserve=tuple(preserve or ()),
        packages=tuple(include_package or ()),
        last_layers=last_layers,
        with_rules=tuple(rule or ()),
        without_rules=tuple(no_rule or ()),
    )
    named = names.chosen(image, target or "", slim_name, fat_name)
    run = options.run_options(
        probe=probe,
        until=until,
        manual=manual,
        command=command,
        timeout=timeout,
        stop_timeout=stop_timeout,
        host_network=host_network,
        read_only=read_only,
        engine=engine,
        env=env,
        volume=volume,
        publish=publish,
        network=network,
    )
    request = SlimRequest(
        run=run,
        verify_probes=options.probes_of(verify_probe, None, False),
        selection=wishes,
        traces=tuple(read(path) for path in add_trace or ()),
        verify=not no_verify,
        repairs=repairs,
        squash=squash,
        fat_name=named[1],
    )
    order = _Order(image, target, named, compression, report or names.report(image), fs, platform, json)
    _carry_out(order, request)
    return 0


@dataclass(frozen=True, slots=True)
class _Order:
    """What the command line says beside the request itself."""

    image: str
    target: str | None
    names: tuple[str, str]
    compression: str | None
    report: str
    filesystem: str
    platform: str | None
    json: bool


def _carry_out(order: _Order, request: SlimRequest) -> None:
    from cntr_core.images.write.destination import parse_destination
    from cntr_core.labels import PAIR
    from cntr_core.plugins import load

    from ..background import background
    from ..pipeline import Unfit, slimmed
    from ..probes.defaults import default_probes
    from ..report.memory import remember
    from ..report.terminal import show
    from ..report.write import write_report
    from .progress import display

    plugins = load()
    where = order.target or names.output(order.image, [engine.name for engine in plugins.engines])
    destination = parse_destination(where, plugins.engines, order.image)
    destination.check()
    how = _compression(order.compression) or destination.compression
    filesystem = options.backend(order.filesystem)
    with (
        display() as shown,
        options.opened(order.image, order.platform, shown.counting("fetching the image", None)) as image,
    ):
        if not request.run.probes and not order.json:
            typer.echo(default_probes(image.config)[1])
        try:
            with slimmed(image, request, plugins.rules, filesystem, shown) as result:
                packed = _packed(result, order.names, how, shown)
                with background(lambda: _explained(result, image, packed, where)) as explaining:
                    shown.expect_saved(packed)
                    destination.save(packed, shown.moved)
                    report, files = explaining.result()
        except Unfit as error:
            write_report(_explained(error.slimmed, image, (), "")[1], error.slimmed.trace, order.report)
            error.hint = f"see {order.report}/report.html; keep more by --include or by wider probes"
            raise
    write_report(files, result.trace, order.report)
    remember(result.pair.slim.annotations[PAIR], report)
    if order.json:
        output.print_json(report.to_json())
    else:
        show(report, order.report, output.console(_PLAIN_WIDTH, markup=False, emoji=False))


def _compression(word: str | None) -> Compression | None:
    """:raises UsageError: there is no such compression."""
    from cntr_core.images.write.compress import Compression

    if word is None:
        return None
    try:
        return Compression(word)
    except ValueError:
        raise UsageError(f"there is no compression '{word}'", f"choose from {', '.join(Compression)}") from None


def _packed(result: Slimmed, named: tuple[str, str], how: Compression, shown: TerminalDisplay) -> tuple[Named, ...]:
    """Both halves as they will be saved, the fat one with the slim one as its subject."""
    from cntr_core.images.write.pack import pack

    layers = (*result.pair.slim.layers, *result.pair.fat.layers)
    shown.expect("compressing", sum(layer.size for layer in layers))
    slim = pack(result.pair.slim, result.directory, how, shown.moved)
    fat = pack(replace(result.pair.fat, subject=slim.descriptor), result.directory, how, shown.moved)
    return (named[0], slim), (named[1], fat)


def _explained(
    result: Slimmed, image: Image, packed: Sequence[Named], destination: str
) -> tuple[Report, Mapping[str, bytes]]:
    """The report, and its files."""
    from ..report.data import collect
    from ..report.write import render

    report = collect(result, image, packed, destination)
    return report, render(report)
