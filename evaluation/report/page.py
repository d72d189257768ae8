"""What the page says of the results of a run, and of others beside it."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ..first_answer.results import FirstAnswer
from ..pages import Bound
from ..paper import PROVENANCE, claims
from . import attack_surface, engine_runs, first_answer, peers
from .beyond import beyond_the_fifty
from .digests import digests
from .document import Document, Figure, Section, Table
from .failures import failures
from .measured import NOTHING, Measured
from .numbers import HIGH, LOW, Run, numbers, reduction
from .plot import bars, distribution
from .rules import rules
from .words import first, named, passed, percent, short, size, way

_WORST = 10
_LARGEST = 4
"""Kept files that are shown of each of the worst."""
_KINDS = ("build", "pull", "run", "split", "verify", "check", "join")


def document(
    runs: Sequence[Run],
    bounds: Mapping[str, Bound],
    beyond: Sequence[Run] = (),
    answers: Sequence[FirstAnswer] = (),
    measured: Measured = NOTHING,
) -> Document:
    """The page of `runs`, of which the first is the one that counts, and the others are compared with it; `bounds` are
    what was read of images, by their names; `beyond` has a run of each group that is not the paper's; `answers` is how
    long the first answer takes."""
    runs, in_engines = engine_runs.apart(runs)
    main = runs[0]
    sections = [
        Section("The paper, and this run", [_sentence(main), _beside_the_paper(runs), *_figures(main)]),
        Section("Each image", [_SUBSTITUTES, _images(main)]),
        *([Section("Beyond the fifty", list(beyond_the_fifty(beyond, bounds)))] if beyond else []),
        *(Section(f"Traced in containers of {run[0].engine}", [engine_runs.table(main, run)]) for run in in_engines),
        *([Section("Peers", compared)] if (compared := list(peers.parts(main))) else []),
        Section("What fails", list(failures(main, measured.lacking))),
        Section("What remains, and why", [_REMAINS, _worst(main)]),
        Section("What no slim image can go below", list(_bounds(main, bounds))),
        Section("What each rule costs, and each profile gains", list(rules(runs, measured.rules, measured.proofs))),
        Section("The same inputs, the same image", list(digests(main, measured.again))),
        Section("What a scanner and an intruder still find", [attack_surface.WORDS, *attack_surface.tables(main)]),
        Section("The first answer, from an empty store", list(first_answer.parts(answers))),
        Section("Time", [_time(main)]),
    ]
    return Document("Fifty images, slimmed and judged", _note(main), sections)


_SUBSTITUTES = (
    "Nothing is pulled: each image is made from packages. A fork is a descendant of the official image's software, a "
    "substitute another program of the same kind; their bars are grey. Checks are steps that were not asked while the "
    "image was traced."
)
_REMAINS = "The images that shrink least, and the largest files that they keep, each with the rule that keeps it."


def headline(run: Run) -> str:
    """The two figures that count, in a sentence."""
    found = numbers(run)
    good, every = found.checks
    return (
        f"{found.images} images shrink by {percent(found.mean)} in the mean (paper: 66.6 %), and {found.whole} of them "
        f"pass all checks, which were not asked while they were traced: {good} of {every}."
    )


def _sentence(run: Run) -> str:
    found = numbers(run)
    return (
        f"{headline(run)} {found.asked} of {found.images} do all that was asked while they were traced; {found.joined} "
        f"can be joined to the original, byte for byte. The rules were made with these images and checks at hand: what "
        "checks of another image find is for others to measure."
    )


def _note(run: Run) -> str:
    machines = Counter(result.machine for result in run)
    machine = machines.most_common(1)[0][0]
    days = sorted({result.started[:10] for result in run})
    return (
        f"Made by python -m evaluation report from the results of python -m evaluation top50 ({way(run)}; "
        f"{days[0]}{f' to {days[-1]}' if len(days) > 1 else ''}; cntr {machine.cntr}, {machine.host}, Linux "
        f"{machine.kernel}, {machine.cpus} processors, Python {machine.python}, {machine.runtime})."
    )


def _beside_the_paper(runs: Sequence[Run]) -> Table:
    found = [numbers(run) for run in runs]
    paper = claims()

    def row(claim: str, what: str, shown: str, ours: Iterable[str]) -> list[str]:
        return [what, f"{shown} ({PROVENANCE[paper[claim].provenance]})" if claim else "", *ours]

    return Table(
        ["", "paper", *map(short, runs)],
        [
            row("mean-reduction", "mean reduction", "66.6 %", (percent(one.mean) for one in found)),
            row("", "the same, without forks and substitutes", "", (percent(one.same) for one in found)),
            row("", "median", "", (percent(one.median) for one in found)),
            row("share-60-97", "shrink by 60 to 97 %", "75 %", (percent(one.within) for one in found)),
            row("below-10", "shrink by less than 10 %", "6 of 50", (f"{one.little} of {one.images}" for one in found)),
            row("", "pass all checks", "", (f"{one.whole} of {one.images}" for one in found)),
            row("", "checks passed", "", (passed(one.checks) for one in found)),
            row("", "bytes in all", "", (" → ".join(map(size, one.bytes)) for one in found)),
        ],
    )


def _figures(run: Run) -> Iterator[Figure]:
    ordered = sorted(run, key=reduction, reverse=True)
    rows = [(named(result), reduction(result), result.origin == "same") for result in ordered]
    marks = [(numbers(run).mean, "mean"), (0.666, "paper's mean")]
    title = "Reduction of each image (grey: a fork or a substitute)"
    yield Figure(bars(rows, title), "top50-images.svg", title)
    within = percent(numbers(run).within)
    title = f"Images that shrink by at most so much; {within} by {100 * LOW:.0f} to {100 * HIGH:.0f} %"
    picture = distribution([share for _, share, _ in rows], marks, (LOW, HIGH), title)
    yield Figure(picture, "top50-distribution.svg", title)


def _images(run: Run) -> Table:
    rows = []
    for result in sorted(run, key=lambda one: one.name):
        good, every = result.checks()
        name = result.software if result.origin == "same" else f"{result.software} ({result.origin})"
        if result.error:
            rows.append([result.name, name, result.kind, "failed", size(result.bytes.original), "", "", "", ""])
            continue
        files = f"{result.files.slim} of {result.files.original}"
        joins = "yes" if result.joined and not result.differences else "no"
        sizes = (size(result.bytes.original), size(result.bytes.slim))
        rows.append(
            [result.name, name, result.kind, percent(reduction(result)), *sizes, files, f"{good} of {every}", joins]
        )
    return Table(["image", "made of", "kind", "less", "original", "slim", "files kept", "checks", "joins"], rows)


def _worst(run: Run) -> Table:
    worst = sorted((result for result in run if not result.error), key=reduction)[:_WORST]
    rows = []
    for result in worst:
        for number, kept in enumerate(result.largest[:_LARGEST]):
            image = [named(result), percent(reduction(result))] if number == 0 else ["", ""]
            reason = kept.rule if kept.because in ("", kept.rule) else f"{kept.rule}: {kept.because}"
            rows.append([*image, kept.path, size(kept.bytes), first(reason)])
    return Table(["image", "less", "file", "size", "why"], rows)


def _bounds(run: Run, bounds: Mapping[str, Bound]) -> Iterator[str | Table]:
    both = [result for result in run if result.name in bounds and not result.error]
    if not both:
        yield "Not measured yet: python -m evaluation pages does it."
        return
    mean = statistics.mean(1 - bounds[one.name].touched.pages / one.bytes.original for one in both)
    slim = statistics.mean(map(reduction, both))
    yield (
        f"Of {len(both)} images the minimal and the broad workload read, by pages of 4096 bytes, so little that they "
        f"could be {percent(mean)} smaller in the mean; whole files, and what is kept for what nobody asked, make that "
        f"{percent(slim)}. The images whose files are used least:"
    )
    worst = sorted(both, key=lambda one: bounds[one.name].touched.pages - one.bytes.slim)[:_WORST]
    yield Table(
        ["image", "original", "slim", "files read, whole", "pages read", "less at most"],
        [
            [
                named(one),
                size(one.bytes.original),
                size(one.bytes.slim),
                size(bounds[one.name].touched.whole),
                size(bounds[one.name].touched.pages),
                percent(1 - bounds[one.name].touched.pages / one.bytes.original),
            ]
            for one in worst
        ],
    )


def _time(run: Run) -> Table:
    phases = [*_KINDS, *sorted({phase for one in run for phase in one.seconds} - set(_KINDS))]
    rows = []
    for phase in phases:
        seconds = [result.seconds[phase] for result in run if phase in result.seconds]
        if seconds:
            most = max(run, key=lambda one: one.seconds.get(phase, 0.0))
            rows.append(
                [
                    phase,
                    f"{sum(seconds) / 60:.1f} min",
                    f"{statistics.median(seconds):.1f} s",
                    f"{max(seconds):.1f} s ({named(most)})",
                ]
            )
    return Table(["phase", "all images", "median", "longest"], rows)
