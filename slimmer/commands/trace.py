"""``cntr trace``: traces as files: made, shown, merged, compared."""

# ruff: noqa: ARG001 - --debug acts by its callback

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from cntr_core.cli import output
from cntr_core.cli.expanded import expanded
from cntr_core.cli.interrupts import undo_on_signals
from cntr_core.cli.words import EndsAtCommand

from . import options, running

if TYPE_CHECKING:
    from ..trace.record import Access, AccessTrace
    from .answers import Used, UsedByOne

TraceFile = Annotated[str, typer.Argument(metavar="TRACE", help="Read this trace file.", show_default=False)]
TraceFiles = Annotated[
    list[str], typer.Argument(metavar="TRACE...", help="Read these traces of one image.", show_default=False)
]
Target = Annotated[
    str, typer.Option("--output", "-o", metavar="TRACE", help="Write the trace to this file; .zst compresses it.")
]
Merged = Annotated[str, typer.Option("--output", "-o", metavar="TRACE", help="Write the merged trace to this file.")]
Below = Annotated[str | None, typer.Option("--path", metavar="PATH", help="Show only this path and what is below it.")]
Absent = Annotated[bool, typer.Option("--absent", help="Also show paths that were looked for and not found.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(
        help="Record which files an image uses; show, merge and compare the records.",
        no_args_is_help=True,
        rich_markup_mode="rich",
    )
    group.command("run", cls=EndsAtCommand)(expanded(run))
    group.command("show")(show)
    group.command("merge")(merge)
    group.command("diff")(diff)
    app.add_typer(group, name="trace")


def run(
    image: options.Image,
    run: running.Run,
    command: options.Words = None,
    target: Target = "trace.jsonl.zst",
    platform: options.ForPlatform = None,
    debug: output.Debug = False,
) -> int:
    """Run an image, drive it with probes, and write which files it used."""
    undo_on_signals()
    from cntr_core.cli.progress import display

    from ..pipeline import traced
    from ..runs.backends import leave_namespaces
    from ..trace.file import write

    options.check_file(target, "--output")
    wanted = run.options(command)
    with display() as shown, options.opened(image, platform, shown.counting("fetching the image", None)) as opened:
        filesystem = run.backend()
        leave_namespaces(wanted)
        trace = traced(opened, wanted, filesystem, shown)
    write(trace, target)
    typer.echo(target)
    return 0


def show(
    trace: TraceFile,
    path: Below = None,
    absent: Absent = False,
    json: output.Json = False,
    debug: output.Debug = False,
) -> int:
    """Show the files that were used: when first, in which phase, how, and by which program."""
    undo_on_signals()
    from ..trace.file import read

    loaded = read(trace)
    below = os.fsencode(path.rstrip("/")) if path else b""
    rows = [_row(access, loaded) for access in loaded.accesses if _is_wanted(access, below, absent)]
    columns = ("seconds", "phase", "operation", "path", "program", "error")
    table = (
        (f"{row['seconds']:.3f}", row["phase"], row["operation"], row["path"], row["program"], row["error"])
        for row in rows
    )
    output.print_list(json, rows, columns, table, "nothing was used there")
    return 0


def _is_wanted(access: Access, below: bytes, absent: bool) -> bool:
    return (absent or not access.errno) and (access.path == below or access.path.startswith(below + b"/"))


def _row(access: Access, trace: AccessTrace) -> Used:
    return {
        "seconds": access.time,
        "phase": access.phase.name.lower(),
        "operation": access.operation,
        "error": os.strerror(access.errno) if access.errno else "",
        "path": os.fsdecode(access.path),
        "program": os.fsdecode(trace.processes[access.process].exe),
    }


def merge(
    traces: TraceFiles,
    target: Merged,
    debug: output.Debug = False,
) -> int:
    """Merge the traces of several runs of one image."""
    undo_on_signals()
    from cntr_core.errors import UsageError

    from ..trace.file import read, write
    from ..trace.record import merge as merged

    try:
        write(merged(read(path) for path in traces), target)
    except ValueError as error:
        raise UsageError(f"the traces cannot be merged: {error}", "merge traces of the same image") from error
    typer.echo(target)
    return 0


def diff(one: TraceFile, other: TraceFile, json: output.Json = False, debug: output.Debug = False) -> int:
    """Show what only one of two traces used. Exit code: 0 if they used the same, 1 otherwise."""
    undo_on_signals()
    from ..trace.file import read
    from ..trace.record import difference

    left, right = difference(read(one), read(other))
    removed, added = list(map(os.fsdecode, left)), list(map(os.fsdecode, right))
    lines = [*(f"- {path}" for path in removed), *(f"+ {path}" for path in added)]
    answer: UsedByOne = {"removed": removed, "added": added}
    output.print_answer(json, answer, lines)
    return 1 if lines else 0
