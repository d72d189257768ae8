"""``python -m evaluation first-answer``: its options, and one image after the other, each in a process of its own."""

from __future__ import annotations

import datetime
import json
import os
import shutil
import statistics
import subprocess
import sys
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Annotated

import msgspec
import typer

from cntr_core.errors import CntrError
from cntr_core.images import open_image
from cntr_core.images.temporary import swept, temporary_directory
from cntr_core.kernel.cgroup_removal import end_members, remove_group
from cntr_core.kernel.cgroups import hierarchies

from ..cache import Cache
from ..children import Children, last_words
from ..groups import Group
from ..machine import ROOT, machine
from ..manifest import Entry
from ..places import plain
from ..sources import Failed, Local
from ..top50 import SLIM
from ..work import Progress, chosen, interrupts, worked
from .link import Speed
from .measure import measure
from .registry import PROGRAM
from .results import RESULTS, FirstAnswer, Taken, read_answers, write_answers

# Whatever the process starts ends with it, and it with this one.
_ALONE = ("setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
_PROGRAMS = ("docker", "dockerd", PROGRAM, "ip", "setpriv", "tc", "unshare")

Pairs = Annotated[str, typer.Option("--pairs", metavar="DIR", help="Take the pairs that top50 --keep-pairs left here.")]
Only = Annotated[
    list[str] | None, typer.Option(metavar="NAME", help="Take these images only: NAME, or NAME,NAME. Repeatable.")
]
Of = Annotated[Group, typer.Option("--group", help="Take the images of this group, where none is named.")]
Jobs = Annotated[int, typer.Option(min=1, help="Work on this many images at a time, each with a link of its own.")]
Resume = Annotated[bool, typer.Option("--resume", help="Leave out images that were measured as they are.")]
Rate = Annotated[float, typer.Option(metavar="MBIT", min=0.1, help="Limit the link to this many Mbit/s.")]
RoundTrip = Annotated[float, typer.Option(metavar="MS", min=0, help="Let a packet and its answer take this long.")]
Place = Annotated[str | None, typer.Option("--cache", metavar="DIR", help="Keep images here; default: $CNTR_CORPUS.")]
File = Annotated[str, typer.Option("--results", metavar="FILE", help="Write results here.", show_default=False)]


def first_answer(
    pairs: Pairs,
    only: Only = None,
    group: Of = Group.FIFTY,
    jobs: Jobs = 1,
    resume: Resume = False,
    mbit: Rate = 100,
    milliseconds: RoundTrip = 20,
    cache: Place = None,
    results: File = RESULTS,
) -> None:
    """Measure the time to the first answer from an empty store, over a slow link: of original and slim images.

    Needs root, docker's daemon and registry, tc and TUN devices. No daemon of this machine is asked for anything.
    Exit code: 0 where all were measured; 1 otherwise.
    """
    if missing := [name for name in _PROGRAMS if not shutil.which(name)]:
        typer.echo(f"there is no {missing[0]} on this machine: see evaluation/setup.sh", err=True)
        raise typer.Exit(1)
    for name in swept():
        _remove_groups(name)  # of a run that was killed
    children = Children()
    measuring = Measuring(Cache(cache), os.path.abspath(pairs), Speed(mbit, milliseconds), children)
    wanted = chosen(only, group)
    if resume:
        done = {_same(one) for one in read_answers(results) if not one.error}
        wanted = [entry for entry in wanted if _same(measuring.blank(entry)) not in done]
    progress = Progress(len(wanted))

    def add(found: FirstAnswer) -> None:
        others = [one for one in read_answers(results) if one.name != found.name]
        write_answers(results, [*others, found])
        progress.tell(told(found))

    with interrupts():
        found = worked(wanted, measuring.measured, children, jobs, add)
    typer.echo(summary(found))
    raise typer.Exit(int(any(one.error for one in found)))


def first_answer_of(
    name: str, original: str, slim: str, directory: str, scripts: str, mbit: float, milliseconds: float
) -> None:
    """Measure one image in this process, a line of JSON for each of both."""
    images = {"original": original, "slim": slim}
    if zlib.crc32(name.encode()) % 2:  # the second finds programs and disk warm: in the mean that favours none
        images = dict(reversed(images.items()))
    with interrupts():
        try:
            measure(chosen([name], Group.ALL)[0], images, directory, scripts, Speed(mbit, milliseconds))
        except (Failed, CntrError, OSError, subprocess.SubprocessError) as error:
            typer.echo(getattr(error, "message", str(error)), err=True)
            raise typer.Exit(1) from None


@dataclass(frozen=True, slots=True)
class Measuring:
    """Measures images whose pairs are in `pairs`, each by a child."""

    cache: Cache
    pairs: str
    speed: Speed
    children: Children

    def blank(self, entry: Entry) -> FirstAnswer:
        """What is known before anything is done."""
        return FirstAnswer(
            name=entry.name,
            kind=entry.kind,
            origin=entry.origin,
            step=entry.minimal[0],
            mbit=self.speed.mbit,
            milliseconds=self.speed.milliseconds,
            machine=machine(),
            started=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            digests=(self._source.digest(entry), _digest(self._slim(entry))),
            registry=_version(),
            load=round(os.getloadavg()[0], 2),
        )

    def measured(self, entry: Entry) -> FirstAnswer:
        """One image; what goes wrong is the result's error.

        :raises Interrupted: this program is to end.
        """
        found = self.blank(entry)
        if not found.digests[1]:
            return replace(found, error="there is no slim image: python -m evaluation top50 --keep-pairs makes it")
        try:
            self._source.fetch(entry)
        except Failed as error:
            return replace(found, error=str(error))
        with temporary_directory("cntr-first-answer-") as (directory, _), _no_groups(directory):
            return self._measured(entry, self.blank(entry), directory)

    def _measured(self, entry: Entry, found: FirstAnswer, directory: str) -> FirstAnswer:
        output, log = os.path.join(directory, "measured"), self.cache.log(entry, "first-answer")
        line = [*_ALONE, sys.executable, "-m", "evaluation", "first-answer-of", entry.name]
        line += [self._source.reference(entry), self._slim(entry), directory, self.cache.scripts]
        code = self.children.run([*line, str(self.speed.mbit), str(self.speed.milliseconds)], log, output)
        with open(output, encoding="utf-8") as file:
            told = {name: value for line in file for name, value in json.loads(line).items()}
        both = {name: msgspec.convert(told[name], Taken) for name in ("original", "slim") if name in told}
        error = f"it ended with code {code}: {last_words(log)}" if code or len(both) < 2 else ""
        places = {self.cache.path: "CACHE", self.pairs: "PAIRS", ROOT: "SOURCE"}
        return replace(found, **both, engine=told.get("engine", ""), error=plain(error, places))

    @property
    def _source(self) -> Local:
        return Local(self.cache, self.children.run)

    def _slim(self, entry: Entry) -> str:
        return os.path.join(self.pairs, entry.name, f"pair:{SLIM}")


def _digest(reference: str) -> str:
    """Empty: there is no such image."""
    try:
        with open_image(reference) as image:
            return image.digest
    except CntrError:
        return ""


@contextmanager
def _no_groups(directory: str) -> Iterator[None]:
    """The control groups of the engine's containers go with the block, also where the engine was killed."""
    try:
        yield
    finally:
        _remove_groups(os.path.basename(directory))


def _remove_groups(name: str) -> None:
    for hierarchy in hierarchies():
        with suppress(OSError):
            group = os.path.join(hierarchy, name)
            end_members(group)
            remove_group(group)


def _version() -> str:
    done = subprocess.run([PROGRAM, "--version"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def _same(one: FirstAnswer) -> tuple[object, ...]:
    return one.name, one.step, one.digests, one.mbit, one.milliseconds


def told(found: FirstAnswer) -> str:
    """A result in a line."""
    if found.original is None or found.slim is None:
        return f"{found.name}: failed: {found.error}"
    return f"{found.name}: {found.original.seconds:.1f} s, slim {found.slim.seconds:.1f} s"


def summary(found: Sequence[FirstAnswer]) -> str:
    """All results in a line."""
    ratios = [one.ratio for one in found if one.ratio is not None]
    mean = f"; slim images take {statistics.mean(ratios):.1%} of the original's time in the mean" if ratios else ""
    return f"{len(ratios)} of {len(found)} images were measured{mean}"
