"""``python -m evaluation top50``: its options, the order of the work, and what a person sees meanwhile."""

from __future__ import annotations

import enum
import os
import statistics
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated

import typer

from cntr_core.images.registry.reference import HUB
from cntr_core.images.temporary import temporary_directory

from .cache import Cache
from .children import Children
from .groups import Group
from .machine import ROOT
from .manifest import Entry
from .peers import Peer, parse_peer
from .results import Result, read_results, with_result, write_results
from .sources import Local, Registry
from .top50 import Evaluation, Way
from .work import Progress, chosen, interrupts, worked


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
Peers = Annotated[
    list[str] | None,
    typer.Option("--peer", metavar="NAME=PATH", help="Measure this program, too: mint=PATH, slim=PATH. Repeatable."),
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
    peer: Peers = None,
) -> None:
    """Slim the images of the corpus, and judge each by what was not asked while it was traced.

    Exit code: 0 where each image was slimmed, passed all steps, and joined; 1 otherwise.
    """
    wanted = chosen(only, group)
    kept, children = Cache(cache), Children()
    origin = Registry(registry) if source is From.REGISTRY else Local(kept, children.run)
    way, peers = Way(probe, keep or "", engine), _peers(peer)
    file = results or os.path.join(ROOT, f"evaluation/results/top50/{keep or Keep.BALANCED}-{probe}.jsonl")
    with interrupts(), _directory(keep_pairs) as directory:
        evaluation = Evaluation(kept, origin, way, children, directory, keep_pairs is not None, peers)
        done: list[Result] = []
        if resume:
            known = [result for result in read_results(file) if {one.name for one in peers} <= set(result.peers)]
            wanted, done = _left(wanted, evaluation, known)
            print(f"{len(done)} are done already, {len(wanted)} are left", file=sys.stderr, flush=True)
        progress = Progress(len(wanted))

        def add(result: Result) -> None:
            write_results(file, with_result(read_results(file), result))
            progress.tell(told(result))

        found = [*done, *worked(wanted, evaluation.evaluate, children, jobs, add)]
    typer.echo(_summary(found))
    raise typer.Exit(int(not all(result.ok for result in found)))


def _peers(words: Sequence[str] | None) -> list[Peer]:
    try:
        return [parse_peer(word) for word in words or ()]
    except ValueError as error:
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


def _left(wanted: Sequence[Entry], evaluation: Evaluation, known: Sequence[Result]) -> tuple[list[Entry], list[Result]]:
    """What is still to be done, which is all that was not done in the same way, with the same image, steps and code;
    and the results of the others."""
    done = {_same(result): result for result in known if not result.error}
    found = [(entry, done.get(_same(evaluation.blank(entry)))) for entry in wanted]
    return [entry for entry, result in found if result is None], [result for _, result in found if result]


def _same(result: Result) -> tuple[object, ...]:
    return (*result.key, result.digest, result.workload, result.machine.code)


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
