"""``python -m evaluation rules``: what each rule costs and gains, and what failed steps lack."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, TypeVar

import msgspec
import typer
from cntr_slimmer.report.schema import File

from .ablation import Ablation, Sum, ablations, sums
from .cache import QUIETLY, Cache
from .judged import Judged, Lack, Lacking, lacking, lacks
from .lines import read_lines, to_line, write_lines
from .machine import ROOT
from .manifest import Entry, entries
from .trial import all_steps
from .uses import Use

RULES = os.path.join(ROOT, "evaluation/results/rules.jsonl")
LACKING = os.path.join(ROOT, "evaluation/results/lacking.jsonl")
T = TypeVar("T")
_MOST = 40
"""Files that are told of a step."""

Pairs = Annotated[str, typer.Argument(metavar="DIR", help="Read the reports that top50 --keep-pairs left here.")]
Only = Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Take these images only.")]
Missing = Annotated[bool, typer.Option("--missing", help="Print which files failed steps lack, and nothing of rules.")]
Jobs = Annotated[int, typer.Option(min=1, help="Work on this many images at a time.")]
Place = Annotated[str | None, typer.Option("--cache", metavar="DIR", help="Find images here; default: $CNTR_CORPUS.")]
Output = Annotated[str, typer.Option("--output", metavar="FILE", help="Write what was measured to this file.")]
Lacks = Annotated[str, typer.Option("--lacking", metavar="FILE", help="Write what failed steps lack to this file.")]


def rules(
    pairs: Pairs,
    names: Only = None,
    missing: Missing = False,
    jobs: Jobs = 1,
    cache: Place = None,
    output: Output = RULES,
    lacking_output: Lacks = LACKING,
) -> None:
    """Measure what each rule costs and gains, from the reports of a run and from what steps use of the originals."""
    kept = Cache(cache)
    wanted = _judged(pairs, names or ())
    if missing:
        found = each_image(wanted, jobs, lambda entry: "\n".join(_lines(entry, _lacks(entry, pairs, kept))), _tell)
        raise typer.Exit(int(len(found) < len(wanted)))
    parts = each_image(wanted, jobs, lambda entry: _measured(entry, pairs, kept), lambda _: None)
    measured = [one for part, _ in parts for one in part]
    write_lines(output, measured)
    write_lines(lacking_output, [one for _, part in parts for one in part])
    for line in _table(sums(measured, len(parts))):
        typer.echo(line)
    raise typer.Exit(int(len(parts) < len(wanted)))


def _judged(pairs: str, names: Sequence[str]) -> list[Entry]:
    """The images of these names, or all, that were slimmed and judged."""
    try:
        wanted = [entry for entry in entries(names) if os.path.exists(f"{pairs}/{entry.name}/judged")]
    except LookupError as error:
        raise typer.BadParameter(str(error)) from None
    if not wanted:
        raise typer.BadParameter(f"{pairs} has no pair of these images: top50 --keep-pairs leaves them there")
    return wanted


def each_image(wanted: Sequence[Entry], jobs: int, work: Callable[[Entry], T], done: Callable[[T], object]) -> list[T]:
    """What `work` gives for each image, told to `done` in their order; the image that fails is named, and left out."""
    found = []
    with ThreadPoolExecutor(jobs) as pool:
        futures = [pool.submit(work, entry) for entry in wanted]
        for number, (entry, future) in enumerate(zip(wanted, futures, strict=True), 1):
            try:
                found.append(future.result())
                done(found[-1])
                typer.echo(f"{entry.name} [{number} of {len(wanted)}]", err=True)
            except Exception as error:  # of one image; the others go on
                typer.echo(f"{entry.name}: failed: {error!r}", err=True)
    return found


def _tell(text: str) -> None:
    if text:
        typer.echo(text)


def _lacks(entry: Entry, pairs: str, cache: Cache) -> list[Lack]:
    judged = Judged.read(os.path.join(pairs, entry.name))
    return [] if all(step.ok for step in judged.steps) else list(lacks(judged, known_uses(entry, cache)))


def _uses(entry: Entry, cache: Cache) -> str:
    return f"{cache.image(entry)}.uses"


def known_uses(entry: Entry, cache: Cache) -> list[Use]:
    """What the steps of an image use: measured until the original has passed them all, and kept beside the image.

    :raises subprocess.CalledProcessError: it cannot be measured; the image's log says why.
    """
    path = _uses(entry, cache)
    known = read_lines(path, Use)
    if [use.step for use in known if use.ok] == all_steps(entry):
        return known
    unfinished = f"{path}.{os.getpid()}"
    with open(unfinished, "wb") as file, open(cache.log(entry, "uses"), "wb") as log:
        line = [*QUIETLY, sys.executable, "-m", "evaluation", "uses-of", entry.name, "--cache", cache.path]
        subprocess.run(line, stdin=subprocess.DEVNULL, stdout=file, stderr=log, check=True)
    os.replace(unfinished, path)
    return read_lines(path, Use)


def _measured(entry: Entry, pairs: str, cache: Cache) -> tuple[list[Ablation], list[Lacking]]:
    """The rules of an image, in a process of its own, since the selection is work for a processor; and what its failed
    steps lack."""
    found_uses = known_uses(entry, cache)
    line = [*QUIETLY, sys.executable, "-m", "evaluation", "rules-of", entry.name, pairs, "--cache", cache.path]
    with open(cache.log(entry, "rules"), "wb") as log:
        done = subprocess.run(line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, check=True)
    found = [msgspec.json.decode(each, type=Ablation) for each in done.stdout.splitlines()]
    judged = Judged.read(os.path.join(pairs, entry.name))
    return found, [lacking(entry.name, lack) for lack in lacks(judged, found_uses)]


def rules_of(name: str, pairs: str, cache: Place = None) -> None:
    """Measure the rules of one image in this process, a line of JSON for each."""
    kept = Cache(cache)
    entry = entries([name])[0]
    place = os.path.join(pairs, name)
    for one in ablations(name, kept.image(entry), place, read_lines(_uses(entry, kept), Use)):
        typer.echo(to_line(one), nl=False)


def _table(rows: Sequence[Sum]) -> Iterator[str]:
    yield f"{'rule':22}{'profile':10}{'images':>7}{'files':>8}{'MB':>9}{'mean %':>8}{'steps':>7}"
    for one in rows:
        figures = f"{one.images:7}{one.files:8}{one.bytes / 1e6:9.2f}{100 * one.share:8.2f}{one.steps:7}"
        yield f"{one.rule:22}{one.profile:10}{figures}"


def _lines(entry: Entry, found: Sequence[Lack]) -> Iterator[str]:
    yield from [f"## {entry.name}"] if found else []
    for lack in found:
        yield f"\n- [{lack.step.run}] `{lack.step.step}`" + ("" if lack.sound else " (fails on the original, too)")
        yield from (f"      {line}" for line in lack.step.detail.splitlines()[:8])
        for title, files in (("opens", lack.opened), ("asks for", lack.seen), ("its start opens", lack.start)):
            yield from _listed(title, files)
    yield from [""] if found else []


def _listed(title: str, files: Sequence[File]) -> Iterator[str]:
    if files:
        yield f"  - {title} {len(files)} files that are not kept, of {sum(file.bytes for file in files)} bytes:"
        yield from (f"    - {file.path} {file.bytes} {file.package}".rstrip() for file in files[:_MOST])
        yield from (f"    - and {len(files) - _MOST} more",) if len(files) > _MOST else ()
