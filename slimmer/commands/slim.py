"""``cntr slim``: an image becomes a slim and a fat image, verified and explained."""

# ruff: noqa: ARG001 - --debug acts by its callback, --config before the call; typer reads the annotations

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NoReturn

import typer

from cntr_core.cli import output as console
from cntr_core.cli.expanded import expanded
from cntr_core.cli.interrupts import undo_on_signals
from cntr_core.errors import CntrError, GateFailed, UsageError

from . import compose, gates, groups, names, options, profiles, running
from .config_file import Config, SlimCommand

if TYPE_CHECKING:
    from cntr_core.cli.progress import TerminalDisplay
    from cntr_core.images import Image
    from cntr_core.images.write.compress import Compression
    from cntr_core.images.write.destination import Destination
    from cntr_core.images.write.new_image import Named

    from ..gates import Gates
    from ..pipeline import Slimmed
    from ..report.schema import Report
    from ..request import RunOptions, SlimRequest
    from ..sbom.documents import Documents
    from .gates import Results
    from .next_steps import Call, Step

_PLAIN_WIDTH = 100
"""Columns of the report where it goes to a file."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("slim", cls=SlimCommand)(expanded(slim))


def slim(
    context: typer.Context,
    image: options.OptionalImage = None,
    *,
    output: groups.Output,
    run: running.Run,
    project: compose.Project,
    verification: running.Verification,
    keep: groups.Keep,
    demands: gates.Demands,
    security: profiles.Profiles,
    batch: groups.Batch,
    command: options.Words = None,
    platform: options.ForPlatform = None,
    config: Config = None,
    json: console.Json = False,
    debug: console.Debug = False,
) -> int:
    """Split an image in two: slim has the files that its application uses, fat all others.

    The image runs while cntr records which files it uses; the slim image must then pass the same probes.
    [bold]cntr join[/] rebuilds the original byte for byte; [bold]cntr attach --fat[/] shows a slim container with all
    of its files.
    """
    if batch.batch is not None:
        from .batch import slim_batch

        return slim_batch(context, batch, output, json)
    if image is None or batch != groups.Batch():
        _refuse(image, batch)
    undo_on_signals()
    from cntr_core.cli.progress import display
    from cntr_core.plugins import load

    from ..clock import Clock
    from ..pipeline import slimmed
    from ..runs.backends import leave_namespaces
    from .next_steps import Call, next_steps

    clock = Clock()
    if (service := project.service(image, run)) is not None:
        run, image = compose.in_docker(run), compose.image_of(service)
    request = _request(run, command, verification, keep, output, security.kinds())
    if service is not None:
        request = compose.with_service(request, service)
    image = options.located(image, run.engine)
    target = _target(image, output, demands)
    filesystem = run.backend()
    call = Call(target.report, run, tuple(command or ()), project.compose or "", service)
    with (
        target.results.failing(image),
        display() as shown,
        options.opened(image, platform, shown.counting("fetching the image", None)) as opened,
    ):
        clock.lap("fetch")
        _tell_probes(request, opened, json)
        leave_namespaces(request.run)
        with slimmed(opened, _aimed(request, target), load().rules, filesystem, shown, clock) as result:
            _must_be_fit(result, opened, target)
            report, files = _saved(result, opened, target, shown, call)
    _keep_report(result, report, files, target)
    target.results.write(report)
    if json:
        console.print_json(report.to_json())
    else:
        _show(report, target, next_steps(report, call))
    return 0


def _refuse(image: str | None, batch: groups.Batch) -> NoReturn:
    """:raises UsageError: always; what a call lacks."""
    if image is None and batch == groups.Batch():
        raise UsageError("image is missing", "give IMAGE, or --batch FILE for many; see cntr slim --help")
    raise UsageError("--jobs, --scheduler, --resume, --index and --job-manifest are for many", "add --batch FILE")


@dataclass(frozen=True, slots=True)
class _Target:
    """Where both images go, as `place` and under which `names`, and the directory of the report; the fat one goes to
    `fat_place`, if that is not empty. What they must be for it is `gates`, and pipelines are told by `results`; `sbom`
    tells whether documents on what is in them are written."""

    place: str
    names: tuple[str, str]
    destination: Destination
    compression: Compression
    report: str
    fat_place: str
    fat_destination: Destination
    fat_compression: Compression
    gates: Gates
    results: Results
    sbom: bool


def _request(
    run: running.Run,
    command: list[str] | None,
    verification: running.Verification,
    keep: groups.Keep,
    output: groups.Output,
    kinds: tuple[str, ...],
) -> SlimRequest:
    from ..request import SlimRequest
    from ..trace.file import read

    return SlimRequest(
        run=_watched(run.options(command), kinds),
        verify_probes=options.probes_of(verification.verify_probe),
        selection=keep.options(),
        traces=tuple(read(path) for path in keep.add_trace or ()),
        verify=not verification.no_verify,
        repairs=verification.repairs,
        squash=output.squash,
        profiles=kinds,
    )


def _watched(run: RunOptions, kinds: tuple[str, ...]) -> RunOptions:
    """The run, with what the profiles want to know of it; :raises UsageError: nobody can tell."""
    if "apparmor" in kinds and run.engine is not None:
        raise UsageError("--profile apparmor is made of runs in cntr's own containers", "leave --engine out")
    return replace(run, count_calls="seccomp" in kinds, watch_writes="apparmor" in kinds)


def _aimed(request: SlimRequest, target: _Target) -> SlimRequest:
    """The request, with what the target says of it."""
    from cntr_core.images.write.compress import Compression

    fat_place = target.fat_place or target.place  # what takes most room
    place = "" if "://" in fat_place else os.path.abspath(fat_place)
    directory = place if os.path.isdir(place) else os.path.dirname(place)
    compressed = target.fat_compression is not Compression.NONE
    return replace(request, fat_name=target.names[1], target=directory, compressed=compressed)


def _target(image: str, output: groups.Output, demands: gates.Demands) -> _Target:
    """:raises CntrError: images cannot go there."""
    report = output.report or names.report(image)
    options.check_place(report, "--report")
    place = output.target or names.output(image, [engine.name for engine in options.engines()])
    destination = options.destination(place, image)
    fat_destination = _fat_destination(place, image, output.fat_target) or destination
    compression = options.compression_of(output.compression)
    return _Target(
        place,
        _names(image, output),
        destination,
        compression or destination.compression,
        report,
        output.fat_target or "",
        fat_destination,
        compression or fat_destination.compression,
        demands.gates(),
        gates.Results(demands.junit, demands.sarif),
        _sbom(output.sbom),
    )


def _sbom(wanted: bool) -> bool:
    """:raises UsageError: the documents cannot be written here."""
    if wanted:
        from ..sbom.documents import check_library

        check_library()
    return wanted


def _fat_destination(place: str, image: str, fat_place: str | None) -> Destination | None:
    """Where the fat image goes alone; None for the place of the slim one.

    :raises UsageError: it would replace the slim one.
    """
    if fat_place is None:
        return None
    if fat_place.endswith(".tar") and os.path.realpath(fat_place) == os.path.realpath(place):
        raise UsageError(f"--fat-output: {fat_place} is where the slim image goes", "leave it out, to have both there")
    return options.destination(fat_place, image)


def _names(image: str, output: groups.Output) -> tuple[str, str]:
    """:raises UsageError: images cannot be called so."""
    for name, option in ((output.slim_name, "--slim-name"), (output.fat_name, "--fat-name")):
        if name is not None:
            options.check_name(name, option)
    found = names.chosen(image, output.target or "", output.slim_name, output.fat_name, output.fat_target)
    if found[0] == found[1]:
        raise UsageError(f"the slim and the fat image would both be called {found[0]}", "give two names")
    return found


def _tell_probes(request: SlimRequest, image: Image, json: bool) -> None:
    """Which probes are made where the user has named none."""
    from ..probes.defaults import default_probes

    if not request.run.probes and not json:
        typer.echo(default_probes(image.config, request.run.until)[1])


def _must_be_fit(result: Slimmed, image: Image, target: _Target) -> None:
    """:raises CntrError: the slim image does not do what the original does, or is not what it must be; a report is
    written that tells more."""
    from ..profiles.made import contents
    from ..report.write import render, write_report

    if not result.trouble and not target.gates:
        return
    report = _report(result, image, target, ())
    failed = [gate for gate in report.gates if not gate.passed]
    if result.trouble or failed:
        write_report(render(report) | contents(result.profiles), result.trace, target.report)
        target.results.write(report)
    if result.trouble:
        hint = f"see {target.report}/report.html; keep more with --include or with wider probes"
        raise CntrError(result.trouble, hint)
    if failed:
        told = "; ".join(f"{gate.name}: {gate.found}, wanted {gate.wanted}" for gate in failed)
        raise GateFailed(f"the slim image is not what it must be: {told}", f"see {target.report}/report.html")


def _saved(
    result: Slimmed, image: Image, target: _Target, shown: TerminalDisplay, call: Call
) -> tuple[Report, Mapping[str, bytes]]:
    """Save both images; meanwhile a process makes the report, which is given with its files."""
    from ..background import background

    packed = _packed(result, target, shown)
    with background(lambda: _explained(result, image, target, packed, call)) as explaining:
        shown.expect_saved(packed)
        if target.fat_place:  # first: a slim image without it is worse than nothing
            target.fat_destination.save(packed[1:], shown.moved)
        target.destination.save(packed[:1] if target.fat_place else packed, shown.moved)
        report, files, documents = explaining.result()
    places = target.destination, target.fat_destination
    for (_, half), place, own in zip(packed, places, documents, strict=False):
        place.attach(half, own)
        files |= {document.name: document.content for document in own}
    return report, files


def _packed(result: Slimmed, target: _Target, shown: TerminalDisplay) -> tuple[Named, ...]:
    """Both images as they will be saved, the fat one with the slim one as its subject."""
    from cntr_core.images.write.pack import pack

    result.clock.skip()
    layers = (*result.pair.slim.layers, *result.pair.fat.layers)
    shown.expect("compressing", sum(layer.size for layer in layers))
    slim = pack(result.pair.slim, result.directory, target.compression, shown.moved)
    fat_image = replace(result.pair.fat, subject=slim.descriptor)
    fat = pack(fat_image, result.directory, target.fat_compression, shown.moved)
    result.clock.lap("compress")
    return (target.names[0], slim), (target.names[1], fat)


def _explained(
    result: Slimmed, image: Image, target: _Target, packed: Sequence[Named], call: Call
) -> tuple[Report, dict[str, bytes], Sequence[Documents]]:
    """The report, its files, and the documents on the slim and on the fat image, if they are wanted."""
    from ..profiles.made import contents
    from ..report.write import render
    from ..sbom.documents import documents
    from .next_steps import with_steps

    report = with_steps(_report(result, image, target, packed), call)
    files = render(report) | contents(result.profiles)
    return report, files, documents(report, result.layers.view, packed) if target.sbom else ()


def _report(result: Slimmed, image: Image, target: _Target, packed: Sequence[Named]) -> Report:
    """The report with its gates; `packed` is empty where nothing is saved."""
    from msgspec.structs import replace as with_fields

    from ..gates import judged
    from ..report.data import collect

    report = collect(result, image, packed, target.place if packed else "", target.fat_place if packed else "")
    return with_fields(report, gates=judged(target.gates, report))


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


def _show(report: Report, target: _Target, steps: Sequence[Step]) -> None:
    from ..report.terminal import show

    show(report, target.report, console.console(_PLAIN_WIDTH, markup=False, emoji=False), steps)
