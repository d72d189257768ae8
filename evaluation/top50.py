"""The evaluation: each image slimmed as a user would, then judged by what nobody asked while it was traced."""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec
from cntr_slimmer.report.schema import File, Finding, Report

from cntr_core.errors import CntrError

from .cache import Cache
from .children import Children, last_words
from .machine import ROOT, machine
from .manifest import CORPUS, Entry, probes
from .peers import Peer, peer_result
from .places import without_places
from .results import Kept, PeerResult, Pieces, Result, Rule, Step
from .sources import Failed, Source

_CNTR = os.path.join(os.path.dirname(sys.executable), "cntr")
SLIM, FAT = "slim:latest", "fat:latest"
"""The names of the two images of a pair."""
_LARGEST = 25


@dataclass(frozen=True, slots=True)
class Way:
    """How images are slimmed: driven by the workload `probe`, with the profile `keep` (empty for cntr's default), in a
    container of `engine` (empty for cntr's own), with more `words` for ``cntr slim``."""

    probe: str = "broad"
    keep: str = ""
    engine: str = ""
    words: tuple[str, ...] = ()


class Evaluation:
    """Slims images from `source` in one `way`; the logs go to `cache`. Pairs are made in `directory`, and stay there
    if `keep_pairs`. The programs of `peers` do the same."""

    def __init__(
        self,
        cache: Cache,
        source: Source,
        way: Way,
        children: Children,
        directory: str,
        keep_pairs: bool,
        peers: Sequence[Peer] = (),
    ) -> None:
        self._cache = cache
        self._source = source
        self._way = way
        self._children = children
        self._directory = directory
        self._keep_pairs = keep_pairs
        self._peers = peers

    def blank(self, entry: Entry) -> Result:
        """What is known of a result before anything is done."""
        return Result(
            name=entry.name,
            kind=entry.kind,
            origin=entry.origin,
            official=entry.official,
            software=entry.software,
            source=self._source.name,
            engine=self._way.engine,
            keep=self._way.keep or "balanced",
            probe=self._way.probe,
            machine=machine(),
            started=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            digest=self._source.digest(entry),
            workload=workload(entry),
        )

    def evaluate(self, entry: Entry) -> Result:
        """One image from beginning to end; what goes wrong is the result's error.

        :raises Interrupted: this program is to end.
        """
        place = os.path.join(self._directory, entry.name)
        shutil.rmtree(place, ignore_errors=True)
        os.makedirs(place)
        try:
            result = self._evaluated(entry, place)
            found = {peer.name: self._of_peer(peer, entry, result, place) for peer in self._peers}
            return without_places(replace(result, peers=found), self._places())
        finally:
            if not self._keep_pairs:
                shutil.rmtree(place)

    def _places(self) -> Mapping[str, str]:
        cache = self._cache
        named = {cache.scripts: "SCRIPTS", cache.path: "CACHE", self._directory: "PAIRS", CORPUS: "CORPUS"}
        return {**named, ROOT: "SOURCE"}

    def _evaluated(self, entry: Entry, place: str) -> Result:
        started = time.monotonic()
        try:
            self._source.fetch(entry)
        except Failed as error:
            return replace(self.blank(entry), error=str(error))
        result = replace(self.blank(entry), seconds={"build": _since(started)})
        try:
            report = self._slimmed(entry, place)
            result = with_report(result, report, _since(started) - result.seconds["build"])
            if not report.ok:
                raise Failed(report.trouble)
            return self._judged(entry, place, result)
        except Failed as error:
            return replace(result, error=str(error))

    def _slimmed(self, entry: Entry, place: str) -> Report:
        """:raises Failed: there is no report, and so no slim image."""
        log = self._cache.log(entry, "slim")
        image, scripts = self._source.reference(entry), self._cache.scripts
        traces = trace_lines(entry, image, place, self._way, scripts)
        for line in (*traces.values(), slim_line(entry, image, place, self._way, scripts, traces)):
            code = self._children.run([_CNTR, *line], log)
            if code:
                break
        try:
            with open(os.path.join(place, "report/report.json"), "rb") as file:
                return Report.from_json(json.load(file))
        except (OSError, ValueError, CntrError):
            raise Failed(f"cntr slim ended with code {code}: {last_words(log)}") from None

    def _judged(self, entry: Entry, place: str, result: Result) -> Result:
        """:raises Failed: it could not be judged to the end."""
        output, log = os.path.join(place, "judged"), self._cache.log(entry, "judge")
        pair = os.path.join(place, "pair")
        line = [sys.executable, "-m", "evaluation", "judge", entry.name, self._source.reference(entry)]
        line += [f"{pair}:{SLIM}", f"{pair}:{FAT}", self._cache.scripts]
        code = self._children.run(line, log, output)
        with open(output, encoding="utf-8") as file:
            lines = [json.loads(line) for line in file]
        steps = tuple(msgspec.convert(line["step"], Step) for line in lines if "step" in line)
        result = replace(result, steps=steps)
        if code or not lines or "joined" not in lines[-1]:
            return replace(result, error=f"the judge ended with code {code}: {last_words(log)}")
        told = lines[-1]
        seconds = {**result.seconds, **told["seconds"]}
        return replace(result, joined=told["joined"], differences=tuple(told["differences"]), seconds=seconds)

    def _of_peer(self, peer: Peer, entry: Entry, result: Result, place: str) -> PeerResult:
        if not result.bytes.original:
            return PeerResult(error="there is no original image")
        directory = os.path.join(place, peer.name)
        os.mkdir(directory)
        output, log = f"{directory}.judged", self._cache.log(entry, peer.name)
        line = [sys.executable, "-m", "evaluation", "judge-peer", f"{peer.name}={peer.path}", entry.name]
        code = self._children.run([*line, self._source.reference(entry), self._cache.scripts, directory], log, output)
        with open(output, encoding="utf-8") as file:
            lines = [json.loads(line) for line in file]
        return peer_result(lines, result.bytes.original, last_words(log) if code else "")


def trace_lines(entry: Entry, image: str, place: str, way: Way, scripts: str) -> dict[str, list[str]]:
    """The words of ``cntr trace run`` for each other way to start the image that the workload has, by the file of its
    trace."""
    lines = {}
    for variant in entry.variants if way.probe == "broad" else ():
        if variant.broad:
            trace = f"{place}/{variant.name}.jsonl.zst"
            lines[trace] = ["trace", "run", image, "--output", trace]
            started = replace(entry, env={**entry.env, **variant.env}, command=variant.command or entry.command)
            lines[trace] += _run_words(started, variant.broad, way, scripts)
    return lines


def slim_line(entry: Entry, image: str, place: str, way: Way, scripts: str, traces: Iterable[str] = ()) -> list[str]:
    """The words of ``cntr slim``, which adds `traces`."""
    steps = entry.minimal if way.probe == "minimal" else (*entry.minimal, *entry.broad)
    line = ["slim", image, "--output", f"{place}/pair/", "--report", f"{place}/report", "--compression", "none"]
    line += ["--slim-name", SLIM, "--fat-name", FAT, *(f"--trace={trace}" for trace in traces)]
    line += [*([f"--keep={way.keep}"] if way.keep else []), *way.words]
    return [*line, *_run_words(entry, steps, way, scripts)]


def _run_words(entry: Entry, steps: Iterable[str], way: Way, scripts: str) -> list[str]:
    """How the image runs, and what is asked of it."""
    line = ["--timeout", f"{2 * entry.seconds + 60:g}", "--stop-timeout", f"{entry.stop_seconds:g}"]
    line += [f"--env={name}={value}" for name, value in entry.env.items()]
    line += [f"--probe={probe}" for probe in probes(steps, scripts)]
    line += [f"--engine={way.engine}"] if way.engine else []
    return [*line, *(("--", *entry.command) if entry.command else ())]


def workload(entry: Entry) -> str:
    """A digest of all steps, and of how the containers start in which they are asked."""
    words = repr((entry.minimal, entry.broad, entry.check, entry.env, entry.command, entry.variants))
    return hashlib.sha256(words.encode()).hexdigest()[:12]


def with_report(result: Result, report: Report, seconds: float) -> Result:
    """The result with the figures of cntr's report; `seconds` is the time of the whole command."""
    sizes = Pieces(sum(layer.tar for layer in report.layers), sum(layer.slim_tar for layer in report.layers))
    phases = {("run" if name == "trace" else name): round(value, 1) for name, value in report.phases.items()}
    others = round(max(0.0, seconds - sum(report.phases.values())), 1)
    packages = [package for package in report.packages if package.files]
    return replace(
        result,
        digest=report.digest,
        slim=next((half.digest for half in report.halves if half.role == "slim"), ""),
        bytes=sizes,
        files=Pieces(report.content.files, report.content.kept_files),
        packages=Pieces(len(packages), sum(not package.gone for package in packages)),
        setuid=_found(report.findings, "setuid"),
        shells=_found(report.findings, "shell"),
        reduction=round(1 - sizes.slim / sizes.original, 4) if sizes.original else 0.0,
        verified=report.verified and report.ok,
        repairs=len(report.repairs),
        seconds={**result.seconds, **phases, "save": others},
        rules={rule.name: Rule(rule.files, rule.bytes) for rule in report.rules},
        largest=tuple(_largest(report.files)),
    )


def _found(findings: Sequence[Finding], kind: str) -> Pieces:
    found = [finding.kept for finding in findings if finding.kind == kind]
    return Pieces(len(found), sum(found))


def _largest(files: Sequence[File]) -> Iterator[Kept]:
    kept = sorted((file for file in files if file.kept and file.counts), key=lambda file: (-file.bytes, file.path))
    for file in kept[:_LARGEST]:
        yield Kept(file.path, file.bytes, file.rule, file.because)


def _since(start: float) -> float:
    return round(time.monotonic() - start, 1)
