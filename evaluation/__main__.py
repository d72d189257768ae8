"""``python -m evaluation``: the corpus of images, and what becomes of them when they are slimmed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Annotated

import msgspec
import typer

from cntr_core.errors import CntrError

from .cache import QUIETLY, Cache
from .filesystem.command import filesystem
from .first_answer.command import first_answer, first_answer_of
from .groups import Group
from .lines import to_line
from .manifest import Entry, entries
from .proof import prove
from .report.command import BOUNDS, report
from .reproduce import reproduce
from .rules_command import rules, rules_of
from .sources import Failed
from .top50_command import top50
from .trial import all_steps

app = typer.Typer(help="Reproduce the evaluation.", no_args_is_help=True)
corpus = typer.Typer(help="List, build and try the images of the evaluation.", no_args_is_help=True)
app.add_typer(corpus, name="corpus")
app.command("top50")(top50)
app.command("first-answer")(first_answer)
app.command("first-answer-of", hidden=True)(first_answer_of)
app.command("report")(report)
app.command("filesystem")(filesystem)
app.command("reproduce")(reproduce)
app.command("rules")(rules)
app.command("prove")(prove)
app.command("rules-of", hidden=True)(rules_of)

Names = Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Take these images only.")]
Of = Annotated[Group, typer.Option("--group", help="Take the images of this group, where none is named.")]
Place = Annotated[str | None, typer.Option("--cache", metavar="DIR", help="Keep images here; default: $CNTR_CORPUS.")]
Jobs = Annotated[int, typer.Option(min=1, help="Work on this many images at a time.")]
Again = Annotated[bool, typer.Option("--again", help="Try those again that passed.")]
Room = Annotated[int, typer.Option(metavar="GB", help="Build nothing when less is free on the disk.")]


Bounds = Annotated[str, typer.Option("--output", metavar="FILE", help="Write what was measured to this file.")]


def chosen(names: Iterable[str] | None, group: Group = Group.FIFTY) -> list[Entry]:
    """The images that a call names, or all of the group."""
    try:
        return entries(names or (), group)
    except LookupError as error:
        raise typer.BadParameter(str(error)) from None


@corpus.command("list")
def list_images(names: Names = None, group: Of = Group.FIFTY) -> None:
    """List the images: name, kind, and what each is made of."""
    for entry in chosen(names, group):
        typer.echo(f"{entry.name:18} {entry.kind:9} {entry.origin:10} {entry.software}")


@corpus.command("build")
def build(names: Names = None, group: Of = Group.FIFTY, cache: Place = None, jobs: Jobs = 1, room: Room = 10) -> None:
    """Build images; those that are there already are left alone."""
    kept = Cache(cache)

    def one(entry: Entry) -> str:
        start = time.monotonic()
        if shutil.disk_usage(kept.path).free < room * 10**9:
            return "failed: the disk is full"
        if not kept.build(entry):
            return f"failed: see {kept.log(entry, 'build')}"
        return f"built: {kept.size(entry) / 10**6:.1f} MB, {time.monotonic() - start:.0f} s"

    for_each(chosen(names, group), one, jobs)


@corpus.command("try")
def try_images(
    names: Names = None, group: Of = Group.FIFTY, cache: Place = None, jobs: Jobs = 1, again: Again = False
) -> None:
    """Use images as their workloads say, and tell which steps fail."""
    kept = Cache(cache)

    def one(entry: Entry) -> str:
        if not kept.build(entry):
            return f"failed: see {kept.log(entry, 'build')}"
        results = f"{kept.image(entry)}.tried"
        if again or not passed(entry, results):
            line = [*QUIETLY, sys.executable, "-m", "evaluation", "corpus", "steps", entry.name, "--cache", kept.path]
            unfinished = f"{results}.{os.getpid()}"  # somebody else may try the same image
            with open(unfinished, "wb") as steps, open(kept.log(entry, "try"), "wb") as log:
                code = subprocess.run(line, stdin=subprocess.DEVNULL, stdout=steps, stderr=log, check=False).returncode
            os.replace(unfinished, results)
            if code:
                return f"failed: see {kept.log(entry, 'try')}"
        return summary(results)

    for_each(chosen(names, group), one, jobs)


@corpus.command("steps", hidden=True)
def steps(name: str, cache: Place = None) -> None:
    """Try one image in this process, a line of JSON for each step."""
    from .trial import tried

    kept = Cache(cache)
    entry = chosen([name])[0]
    typer.echo(json.dumps({"steps": all_steps(entry)}))
    for step in tried(entry, kept.image(entry), kept.scripts):
        typer.echo(json.dumps(asdict(step)))


@app.command("pages")
def pages(names: Names = None, group: Of = Group.FIFTY, cache: Place = None, output: Bounds = BOUNDS) -> None:
    """Measure what the minimal and broad workloads read of images, by pages: no slim image can have less."""
    from .pages import Bound, read_bounds, write_bounds

    kept = Cache(cache)

    def one(entry: Entry) -> str:
        if not kept.build(entry):
            return f"failed: see {kept.log(entry, 'build')}"
        line = [*QUIETLY, sys.executable, "-m", "evaluation", "pages-of", entry.name, "--cache", kept.path]
        with open(kept.log(entry, "pages"), "wb") as log:
            done = subprocess.run(line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, check=False)
        if done.returncode:
            return f"failed: see {kept.log(entry, 'pages')}"
        found = msgspec.json.decode(done.stdout, type=Bound)
        write_bounds(output, {**read_bounds(output), entry.name: found}.values())
        read = found.touched
        return f"{read.pages / 1e6:.1f} MB read of {read.whole / 1e6:.1f} MB in {read.read} files"

    for_each(chosen(names, group), one, 1)


@app.command("pages-of", hidden=True)
def pages_of(name: str, cache: Place = None) -> None:
    """Measure one image in this process, a line of JSON."""
    from .pages import bound

    kept = Cache(cache)
    entry = chosen([name])[0]
    found = bound(entry, kept.image(entry), kept.scripts, ("minimal", "broad"))
    typer.echo(msgspec.json.encode(found).decode())


@app.command("uses-of", hidden=True)
def uses_of(name: str, cache: Place = None) -> None:
    """Tell what each step uses of one image, in this process, a line of JSON for each."""
    from .uses import uses

    kept = Cache(cache)
    entry = chosen([name])[0]
    for use in uses(entry, kept.image(entry), kept.scripts):
        typer.echo(to_line(use), nl=False)


@app.command("judge", hidden=True)
def judge_one(name: str, original: str, slim: str, fat: str, scripts: str) -> None:
    """Judge one pair in this process, a line of JSON for each step and for the comparison."""
    from .judge import judge

    judge(chosen([name])[0], original, slim, fat, scripts)


@app.command("judge-peer", hidden=True)
def judge_one_peer(program: str, name: str, original: str, scripts: str, directory: str) -> None:
    """Have a peer slim one image, and judge what it made, in this process."""
    from .peers import judge_peer, parse_peer

    try:
        judge_peer(parse_peer(program), chosen([name])[0], original, scripts, directory)
    except (Failed, CntrError, subprocess.SubprocessError) as error:
        typer.echo(getattr(error, "message", str(error)), err=True)
        raise typer.Exit(1) from None


def passed(entry: Entry, results: str) -> bool:
    """Whether the steps of today were tried, and none failed."""
    if not os.path.exists(results):
        return False
    with open(results, encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]
    wanted = all_steps(entry)
    return lines[:1] == [{"steps": wanted}] and [line["step"] for line in lines[1:] if line["ok"]] == wanted


def summary(results: str) -> str:
    """How the steps went, in a line, and each that failed, in another."""
    with open(results, encoding="utf-8") as file:
        lines = [json.loads(line) for line in file][1:]
    failed = [
        f"\n    {line['run']}: {line['step']}\n        {_short(line['detail'])}" for line in lines if not line["ok"]
    ]
    return f"{len(lines) - len(failed)} of {len(lines)} steps passed" + "".join(failed)


def _short(detail: str) -> str:
    """A failure's reason and its last words."""
    lines = detail.splitlines()
    return "\n        ".join([*lines[:1], *lines[1:][-3:]])


def for_each(wanted: list[Entry], work: Callable[[Entry], str], jobs: int) -> None:
    """Work on all images, whatever becomes of one; exit code 1 where one failed."""

    def guarded(entry: Entry) -> str:
        try:
            return work(entry)
        except Exception as error:  # of one image; the others go on
            return f"failed: {error!r}"

    bad = False
    with ThreadPoolExecutor(jobs) as pool:
        for entry, result in zip(wanted, pool.map(guarded, wanted), strict=True):
            bad = bad or result.startswith("failed") or "\n" in result
            typer.echo(f"{entry.name}: {result}")
    raise typer.Exit(int(bad))


if __name__ == "__main__":
    app(prog_name="python -m evaluation")
