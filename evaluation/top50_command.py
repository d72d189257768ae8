"""``python -m evaluation top50``: its options, the order of the work, and what a person sees meanwhile."""

from __future__ import annotations

import enum
import os
import signal
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from typing import Annotated

import typer

from cntr_core.images.registry.reference import HUB
from cntr_core.images.temporary import temporary_directory

from .cache import Cache
from .children import Children
from .groups import Group
from .machine import ROOT
from .manifest import Entry, entries
from .results import Result, read_results, with_result, write_results
from .sources import Local, Registry
from .top50 import Evaluation, Way


class Probe(enum.StrEnum):
    """The workload that drives the trace."""

    MINIMAL = "minimal"
    BROAD = "broad"


class From(enum.StrEnum):
    """Where images come from."""

    LOCAL = "local"
    REGISTRY = "registry"


class Keep(enum.StrEnum):
    """A profile of ``cntr slim``."""

    MINIMAL = "minimal"
    BALANCED = "balanced"
    CAREFUL = "careful"


Only = Annotated[
    list[str] | None, typer.Option(metavar="NAME", help="Take these images only: NAME, or NAME,NAME. Repeatable.")
]
Of = Annotated[Group, typer.Option("--group", help="Take the images of this group, where none is named.")]
Jobs = Annotated[int, typer.Option(min=1, help="Work on this many images at a time.")]
Resume = Annotated[
    bool, typer.Option("--resume", help="Leave out images that this code has slimmed and judged already.")
]
Driven = Annotated[Probe, typer.Option("--probe", help="Trace while this workload is asked.")]
Profile = Annotated[Keep | None, typer.Option("--keep", help="Keep what this profile keeps; default: cntr's own.")]
Place = Annotated[str | None, typer.Option("--cache", metavar="DIR", help="Keep images here; default: $CNTR_CORPUS.")]
Results = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="Write results here; default: evaluation/results/top50/KEEP-PROBE.jsonl."),
]
Pairs = Annotated[
    str | None, typer.Option("--keep-pairs", metavar="DIR", help="Leave slim and fat images and reports here.")
]
InEngine = Annotated[str, typer.Option("--engine", metavar="NAME", help="Trace in containers of this engine.")]

Origin = Annotated[From, typer.Option(help="Take the images that are built here, or the official ones.")]
Host = Annotated[
    str, typer.Option(metavar="HOST[/PREFIX]", help="Pull library/NAME from this registry, for --source registry.")
]


def top50(
    only: Only = None,
    group: Of = Group.FIFTY,
    jobs: Jobs = 1,
    resume: Resume = False,
    probe: Driven = Probe.BROAD,
    keep: Profile = None,
    cache: Place = None,
    results: Results = None,
    keep_pairs: Pairs = None,
    engine: InEngine = "",
    source: Origin = From.LOCAL,
    registry: Host = HUB,
) -> None:
    """Slim the images of the corpus, and judge each by what was not asked while it was traced.

    Exit code: 0 where each image was slimmed, passed all steps, and joined; 1 otherwise.
    """
    wanted = _chosen(only, group)
    kept, children = Cache(cache), Children()
    origin = Registry(registry) if source is From.REGISTRY else Local(kept, children.run)
    way = Way(probe, keep or "", engine)
    file = results or os.path.join(ROOT, f"evaluation/results/top50/{keep or Keep.BALANCED}-{probe}.jsonl")
    with _interrupts(), _directory(keep_pairs) as directory:
        evaluation = Evaluation(kept, origin, way, children, directory, keep_pairs is not None)
        if resume:
            wanted = _left(wanted, evaluation, read_results(file))
        found = _worked(wanted, evaluation, children, jobs, _Log(file, len(wanted)))
    typer.echo(_summary(found))
    raise typer.Exit(int(not all(result.ok for result in found)))


def _chosen(only: Sequence[str] | None, group: Group) -> list[Entry]:
    names = [name for words in only or () for name in words.split(",")]
    try:
        return entries(names, group)
    except LookupError as error:
        raise typer.BadParameter(str(error)) from None


@contextmanager
def _directory(keep_pairs: str | None) -> Iterator[str]:
    """Where pairs are made: they go with the block, unless somebody wants them."""
    if keep_pairs is not None:
        os.makedirs(keep_pairs, exist_ok=True)
        yield os.path.abspath(keep_pairs)
        return
    with temporary_directory("cntr-top50-") as (directory, _):
        yield directory


@contextmanager
def _interrupts() -> Iterator[None]:
    """SIGTERM interrupts as Ctrl-C does, with exit code 130. A shell's background job ignores SIGINT, and so would all
    that it starts: what has a handler here has none in a child (execve(2))."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _left(wanted: Sequence[Entry], evaluation: Evaluation, known: Sequence[Result]) -> list[Entry]:
    """What is still to be done: all that was not done in the same way, with the same image, steps and code."""
    done = {_same(result) for result in known if not result.error}
    return [entry for entry in wanted if _same(evaluation.blank(entry)) not in done]


def _same(result: Result) -> tuple[object, ...]:
    return (*result.key, result.digest, result.workload, result.machine.code)


class _Log:
    """Keeps results as they come, and tells how far it is, and how long it will take."""

    def __init__(self, file: str, total: int) -> None:
        self._file = file
        self._total = total
        self._done = 0
        self._started = time.monotonic()

    def add(self, result: Result) -> None:
        write_results(self._file, with_result(read_results(self._file), result))
        self._done += 1
        gone = time.monotonic() - self._started
        left = gone / self._done * (self._total - self._done)
        print(
            f"{told(result)} [{self._done} of {self._total}, {gone / 60:.1f} min, about {left / 60:.1f} min left]",
            file=sys.stderr,
            flush=True,
        )


def _worked(wanted: Sequence[Entry], evaluation: Evaluation, children: Children, jobs: int, log: _Log) -> list[Result]:
    """The results of all images, whatever becomes of one. On an interrupt the children end before it goes on."""
    found = []
    with ThreadPoolExecutor(jobs) as pool:
        futures = [pool.submit(evaluation.evaluate, entry) for entry in wanted]
        try:
            for future in as_completed(futures):
                found.append(future.result())
                log.add(found[-1])
        except BaseException:
            children.end()
            pool.shutdown(cancel_futures=True)
            raise
    return found


def told(result: Result) -> str:
    """A result in a line."""
    if result.error:
        return f"{result.name}: failed: {result.error}"
    passed, all_checks = result.checks()
    words = [f"{result.reduction:.1%} less", f"{passed} of {all_checks} checks"]
    failed = [step for step in result.steps if not step.ok and step.run in ("minimal", "broad")]
    words += [f"{len(failed)} steps of the workload fail"] if failed else []
    words += [] if result.joined and not result.differences else ["DOES NOT JOIN"]
    return f"{result.name}: {', '.join(words)}"


def _summary(results: Sequence[Result]) -> str:
    good = [result for result in results if not result.error]
    if not good:
        return f"0 of {len(results)} images were slimmed"
    mean = statistics.mean(result.reduction for result in good)
    passed, asked = zip(*(result.checks() for result in good), strict=True)
    whole = sum(one == other for one, other in zip(passed, asked, strict=True))
    return (
        f"{len(good)} of {len(results)} images were slimmed, by {mean:.1%} in the mean; "
        f"{whole} passed all checks, {sum(passed)} of {sum(asked)} checks passed"
    )
