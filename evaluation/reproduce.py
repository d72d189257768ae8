"""``python -m evaluation reproduce``: each claim of the paper, the experiment that tries it, and what came out.

Verdicts come from committed results alone; an experiment without any is not yet run.
"""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import typer

from .conformance import page as conformance
from .filesystem import claimed
from .first_answer.results import RESULTS as ANSWERS
from .first_answer.results import read_answers
from .machine import ROOT
from .paper import PROVENANCE, PaperClaim, claims
from .report.command import committed, read_runs
from .report.document import Document, Section, Table
from .report.numbers import Numbers, numbers
from .verdict import Outcome, Verdict, compared

_PAPERS_TESTS = 94
RESULTS = os.path.join(ROOT, "evaluation/results")
CONFORMANCE = os.path.join(ROOT, "docs/evaluation/conformance.md")
PAGE = os.path.join(ROOT, "docs/evaluation/paper.md")


@dataclass(frozen=True, slots=True)
class Experiment:
    """What tries the claim called `claim`: the command of it, the file or directory of its results (below
    ``evaluation/results``), and how a verdict is found in them."""

    claim: str
    command: str
    results: str
    judge: Callable[[PaperClaim, Any], Verdict]


def _top50(judge: Callable[[PaperClaim, Numbers], Verdict]) -> Callable[[PaperClaim, Any], Verdict]:
    """A judge of the run that counts: the default profile under the broad workload."""

    def judged(claim: PaperClaim, _results: Any) -> Verdict:
        run = next(iter(read_runs(committed())), ())
        if len(run) < 50:
            return Verdict(Outcome.NOT_RUN, f"results of {len(run)} of 50 images")
        return judge(claim, numbers(run))

    return judged


def _mean(claim: PaperClaim, found: Numbers) -> Verdict:
    return compared(100 * found.mean, claim.value or 0.0, f"{100 * found.mean:.1f} % in the mean of {found.images}")


def _within(claim: PaperClaim, found: Numbers) -> Verdict:
    return compared(100 * found.within, claim.value or 0.0, f"{100 * found.within:.0f} % of {found.images} images")


def _little(claim: PaperClaim, found: Numbers) -> Verdict:
    return compared(-found.little, -(claim.value or 0.0), f"{found.little} of {found.images} images")


def _filesystem(_claim: PaperClaim, results: Any) -> Verdict:
    runs = results["runs"]
    worse = {name: run["not_native"] for name, run in runs.items() if run["not_native"]}
    if worse:
        return Verdict(Outcome.NOT_REPRODUCED, f"other than {results['native']}: {', '.join(worse)}")
    words = f"all {runs['native']['assertions']} assertions of {results['suite']} end as on {results['native']}"
    return Verdict(Outcome.REPRODUCED, f"{words}, in {len(runs) - 1} ways to mount")


def _xfstests(claim: PaperClaim, results: Any) -> Verdict:
    native, ours = results["runs"]["native"], results["runs"]["direct-passthrough"]
    failed = conformance.new_failures(ours, native)
    passed = len(native["passed"]) - len(failed)
    asked = len(native["passed"])
    words = f"{passed} of the {asked} that ext4 passes pass by direct, of the group quick; not {', '.join(failed)}"
    return compared(100 * passed / asked, 100 * (claim.value or 0.0) / _PAPERS_TESTS, words)


def _engines(_claim: PaperClaim, results: Any) -> Verdict:
    kinds = {name.partition(",")[0] for name in results["containers"]}
    failed = [name for name, features in results["containers"].items() if "failed" in features.values()]
    missing = {"docker", "lxc", "nspawn"} - kinds
    if failed or missing:
        return Verdict(Outcome.NOT_REPRODUCED, f"failed or missing: {', '.join([*failed, *sorted(missing)])}")
    words = f"sessions in real containers of {', '.join(sorted(kinds))}"
    return Verdict(Outcome.REPRODUCED, f"{words}; rkt is abandoned, and tried on recorded pods only")


def _split(_claim: PaperClaim, results: Any) -> Verdict:
    kinds = results["containers"]
    failed = [name for name, features in kinds.items() if features.get("tools_of_an_image") != ""]
    if failed:
        return Verdict(Outcome.NOT_REPRODUCED, f"an image cannot be attached to {', '.join(failed)}")
    words = f"an image is attached to running containers of {len(kinds)} kinds, which stay as they are"
    return Verdict(Outcome.REPRODUCED, words)


def _first_answer(claim: PaperClaim, _results: Any) -> Verdict:
    ratios = [one.ratio for one in read_answers(ANSWERS) if one.ratio is not None]
    if not ratios:
        return Verdict(Outcome.NOT_RUN, "no image was measured")
    shorter = 100 * (1 - min(ratios))
    mean = f"{100 * (1 - statistics.mean(ratios)):.1f} % in the mean of {len(ratios)}"
    words = f"from the pull to the first answer up to {shorter:.1f} % shorter, {mean}"
    return compared(shorter, claim.value or 0.0, words)


def _unjudged(_claim: PaperClaim, _results: Any) -> Verdict:
    return Verdict(Outcome.NOT_RUN, "there are results, and nobody has said how to judge them")


_MOUNTS, _TURNS, _MESSAGES = "python -m evaluation filesystem", "filesystem.jsonl", "fuse_messages.json"
_TOP50, _SESSIONS = "python -m evaluation top50", "python -m tests.docs.generators.engines"
REGISTRY = (
    Experiment("mean-reduction", _TOP50, "top50", _top50(_mean)),
    Experiment("share-60-97", _TOP50, "top50", _top50(_within)),
    Experiment("below-10", _TOP50, "top50", _top50(_little)),
    Experiment("split", _SESSIONS, "engines.json", _split),
    Experiment("engines", _SESSIONS, "engines.json", _engines),
    Experiment("filesystem-api", "python evaluation/conformance/run.py", "pjdfstest.json", _filesystem),
    Experiment("cold-start", "python -m evaluation first-answer", "first_answer.jsonl", _first_answer),
    Experiment("xfstests", "python evaluation/conformance/xfstests.py", "xfstests.json", _xfstests),
    Experiment("overhead", _MOUNTS, _TURNS, claimed.overhead),
    Experiment("compilebench-read", _MOUNTS, _TURNS, claimed.worst),
    Experiment("read-cache", _MOUNTS, _TURNS, claimed.read_cache),
    Experiment("writeback", _MOUNTS, _TURNS, claimed.writeback),
    Experiment("parallel-directories", _MOUNTS, _TURNS, claimed.parallel_directories),
    Experiment("batched-forgets", "python evaluation/experiments/fuse_messages.py", _MESSAGES, claimed.batched_forgets),
    Experiment("threads", _MOUNTS, _TURNS, claimed.threads),
    Experiment("splice", _MOUNTS, _TURNS, claimed.splice),
)


def verdicts(registry: Sequence[Experiment] = REGISTRY) -> Mapping[str, Verdict]:
    """What became of each claim, by its name."""
    known = claims()
    return {one.claim: _verdict(known[one.claim], one) for one in registry}


def _verdict(claim: PaperClaim, experiment: Experiment) -> Verdict:
    path = os.path.join(RESULTS, experiment.results)
    if not os.path.exists(path):
        reason = "its results are not there" if experiment.command else "there is no experiment yet"
        return Verdict(Outcome.NOT_RUN, reason)
    if os.path.isdir(path):
        return experiment.judge(claim, None) if os.listdir(path) else Verdict(Outcome.NOT_RUN, "no results")
    if path.endswith(".jsonl"):
        return experiment.judge(claim, None)
    with open(path, encoding="utf-8") as file:
        return experiment.judge(claim, json.load(file))


def _row(claim: PaperClaim, experiment: Experiment, found: Verdict) -> list[str]:
    return [claim.text, PROVENANCE[claim.provenance], found.outcome.upper(), found.words, experiment.command]


def document() -> Document:
    """The page of all claims."""
    known, found = claims(), verdicts()
    rows = [_row(known[one.claim], one, found[one.claim]) for one in REGISTRY]
    note = (
        "J. Thalheim, P. Bhatotia, P. Fonseca, B. Kasikci, Cntr: Lightweight OS Containers, USENIX ATC 2018. Made by "
        "python -m evaluation reproduce from the committed results. A claim that is remembered was not compared with "
        "the paper's text."
    )
    table = Table(["claim", "how we know it", "verdict", "ours", "experiment"], rows)
    return Document("The paper's claims", note, [Section("Verdicts", [table])])


def conformance_page() -> Document:
    """The page of the filesystem's suites."""
    with (
        open(os.path.join(RESULTS, "pjdfstest.json"), encoding="utf-8") as pjdfstest,
        open(os.path.join(RESULTS, "xfstests.json"), encoding="utf-8") as xfstests,
    ):
        return conformance.document(json.load(pjdfstest), json.load(xfstests))


def reproduce(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
    write: Annotated[bool, typer.Option("--write", help="Write the page of the documentation.")] = False,
) -> None:
    """Print each claim of the paper with a verdict from the committed results."""
    if write:
        os.makedirs(os.path.dirname(PAGE), exist_ok=True)
        with open(PAGE, "w", encoding="utf-8") as file:
            file.write(document().markdown())
        with open(CONFORMANCE, "w", encoding="utf-8") as file:
            file.write(conformance_page().markdown())
    known, found = claims(), verdicts()
    if as_json:
        told = [{**asdict(known[name]), **asdict(verdict)} for name, verdict in found.items()]
        typer.echo(json.dumps(told, indent=1, ensure_ascii=False))
        return
    for name, verdict in found.items():
        typer.echo(f"{verdict.outcome:15} {known[name].text}\n{'':15} {verdict.words}")
