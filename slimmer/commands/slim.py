"""``cntr slim``: an image becomes a slim and a fat image, verified and explained."""

# ruff: noqa: ARG001 - --debug acts by its callback; typer reads the annotations

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import typer

from cntr_core.cli import output as console
from cntr_core.cli.expanded import expanded
from cntr_core.cli.interrupts import undo_on_signals
from cntr_core.cli.words import EndsAtCommand
from cntr_core.errors import CntrError, UsageError

from . import groups, names, options

if TYPE_CHECKING:
    from cntr_core.images import Image
    from cntr_core.images.write.compress import Compression
    from cntr_core.images.write.destination import Destination
    from cntr_core.images.write.new_image import Named

    from ..pipeline import Slimmed
    from ..report.schema import Report
    from ..request import SlimRequest
    from .progress import TerminalDisplay

_PLAIN_WIDTH = 100
"""Columns of the report where it goes to a file."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("slim", cls=EndsAtCommand)(expanded(slim))


def slim(
    image: options.Image,
    output: groups.Output,
    run: groups.Run,
    verification: groups.Verification,
    keep: groups.Keep,
    command: options.Words = None,
    platform: options.ForPlatform = None,
    json: console.Json = False,
    debug: console.Debug = False,
) -> int:
    """Split an image in two: slim has the files that its application uses, fat all others.

    The image runs while cntr records which files it uses; the slim image must then pass the same probes.
    [bold]cntr join[/] rebuilds the original byte for byte; [bold]cntr attach --fat[/] shows a slim container with all
    of its files.
    """
    undo_on_signals()
    from cntr_core.plugins import load

    from ..pipeline import slimmed
    from ..runs.backends import leave_namespaces
    from .progress import display

    request = _request(run, command, verification, keep, output)
    target = _target(image, output)
    filesystem = run.backend()
    with display() as shown, options.opened(image, platform, shown.counting("fetching the image", None)) as opened:
        _tell_probes(request, opened, json)
        leave_namespaces(request.run)
        with slimmed(opened, _aimed(request, target), load().rules, filesystem, shown) as result:
            _must_be_fit(result, opened, target)
            report, files = _saved(result, opened, target, shown)
    _keep_report(result, report, files, target)
    _show(report, target, json)
    return 0


@dataclass(frozen=True, slots=True)
class _Target:
    """Where both images go, as `place` and under which `names`, and the directory of the report."""

    place: str
    names: tuple[str, str]
    destination: Destination
    compression: Compression
    report: str


def _request(
    run: groups.Run,
    command: list[str] | None,
    verification: groups.Verification,
    keep: groups.Keep,
    output: groups.Output,
) -> SlimRequest:
    from ..request import SlimRequest
    from ..trace.file import read

    return SlimRequest(
        run=run.options(command),
        verify_probes=options.probes_of(verification.verify_probe),
        selection=keep.options(),
        traces=tuple(read(path) for path in keep.add_trace or ()),
        verify=not verification.no_verify,
        repairs=verification.repairs,
        squash=output.squash,
    )


def _aimed(request: SlimRequest, target: _Target) -> SlimRequest:
    """The request, with what the target says of it."""
    from cntr_core.images.write.compress import Compression

    place = "" if "://" in target.place else os.path.abspath(target.place)
    directory = place if os.path.isdir(place) else os.path.dirname(place)
    compressed = target.compression is not Compression.NONE
    return replace(request, fat_name=target.names[1], target=directory, compressed=compressed)


def _target(image: str, output: groups.Output) -> _Target:
    """:raises CntrError: images cannot go there."""
    report = output.report or names.report(image)
    options.check_place(report, "--report")
    place = output.target or names.output(image, [engine.name for engine in options.engines()])
    destination = options.destination(place, image)
    return _Target(
        place,
        _names(image, output),
        destination,
        _compression(output.compression) or destination.compression,
        report,
    )


def _names(image: str, output: groups.Output) -> tuple[str, str]:
    """:raises UsageError: images cannot be called so."""
    for name, option in ((output.slim_name, "--slim-name"), (output.fat_name, "--fat-name")):
        if name is not None:
            options.check_name(name, option)
    found = names.chosen(image, output.target or "", output.slim_name, output.fat_name)
    if found[0] == found[1]:
        raise UsageError(f"the slim and the fat image would both be called {found[0]}", "give two names")
    return found


def _compression(word: str | None) -> Compression | None:
    """:raises UsageError: there is no such compression."""
    from cntr_core.images.write.compress import Compression

    if word is None:
        return None
    try:
        return Compression(word)
    except ValueError:
        raise UsageError(f"unknown compression '{word}'", f"choose from {', '.join(Compression)}") from None


def _tell_probes(request: SlimRequest, image: Image, json: bool) -> None:
    """Which probes are made where the user has named none."""
    from ..probes.defaults import default_probes

    if not request.run.probes and not json:
        typer.echo(default_probes(image.config, request.run.until)[1])


def _must_be_fit(result: Slimmed, image: Image, target: _Target) -> None:
    """:raises CntrError: the slim image does not do what the original does; a report is written that tells more."""
    from ..report.write import write_report

    if result.trouble:
        write_report(_explained(result, image, (), "")[1], result.trace, target.report)
        hint = f"see {target.report}/report.html; keep more with --include or with wider probes"
        raise CntrError(result.trouble, hint)


def _saved(
    result: Slimmed, image: Image, target: _Target, shown: TerminalDisplay
) -> tuple[Report, Mapping[str, bytes]]:
    """Save both images; meanwhile a process makes the report, which is given with its files."""
    from ..background import background

    packed = _packed(result, target, shown)
    with background(lambda: _explained(result, image, packed, target.place)) as explaining:
        shown.expect_saved(packed)
        target.destination.save(packed, shown.moved)
        return explaining.result()


def _packed(result: Slimmed, target: _Target, shown: TerminalDisplay) -> tuple[Named, ...]:
    """Both images as they will be saved, the fat one with the slim one as its subject."""
    from cntr_core.images.write.pack import pack

    layers = (*result.pair.slim.layers, *result.pair.fat.layers)
    shown.expect("compressing", sum(layer.size for layer in layers))
    slim = pack(result.pair.slim, result.directory, target.compression, shown.moved)
    fat = pack(replace(result.pair.fat, subject=slim.descriptor), result.directory, target.compression, shown.moved)
    return (target.names[0], slim), (target.names[1], fat)


def _explained(
    result: Slimmed, image: Image, packed: Sequence[Named], destination: str
) -> tuple[Report, Mapping[str, bytes]]:
    """The report, and its files."""
    from ..report.data import collect
    from ..report.write import render

    report = collect(result, image, packed, destination)
    return report, render(report)


def _keep_report(result: Slimmed, report: Report, files: Mapping[str, bytes], target: _Target) -> None:
    from cntr_core.labels import PAIR

    from ..report.memory import remember
    from ..report.write import write_report

    write_report(files, result.trace, target.report)
    try:
        remember(result.pair.slim.annotations[PAIR], report)
    except CntrError as error:  # the pair is good
        console.say(f"cntr why will not find this report by the image: {error.message}")
        console.hint(f"cntr why {target.report} PATH; or set CNTR_CACHE_DIR")


def _show(report: Report, target: _Target, json: bool) -> None:
    from ..report.terminal import show

    if json:
        console.print_json(report.to_json())
    else:
        show(report, target.report, console.console(_PLAIN_WIDTH, markup=False, emoji=False))
