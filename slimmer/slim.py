"""Slimming: run and watch, choose, split, prove, repair. Every step is a module of its own; this is their order."""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace

from cntr_core.errors import CntrError
from cntr_core.filesystem import Filesystem
from cntr_core.images import Image, remove_tree
from cntr_core.images.blobs import spool_directory
from cntr_core.rules import Rule

from .background import background
from .choose import Choice, Wishes, choose
from .layers.opened import OpenLayers, open_layers
from .probes.defaults import default_probes
from .probes.result import Difference, Outcome, compare
from .probes.spec import Probe
from .runs.embedded import RunRequest, become_private
from .runs.observe import Observed, observe
from .split.pair import Pair, make_pair
from .trace.record import AccessTrace, merge
from .verify import check_files, check_join, open_plain

Say = Callable[[str], object]
"""Told what is being done, a phrase; for a progress display."""


@dataclass(frozen=True, slots=True)
class SlimRequest:
    """How an image is slimmed. `probes` empty means the image's own default; `verify_probes` are asked of the slim image
    beside them. `timeout` is in seconds, for all probes of one run; `stop_limit` as docker's ``--time``."""

    probes: tuple[Probe, ...] = ()
    verify_probes: tuple[Probe, ...] = ()
    wishes: Wishes = field(default_factory=Wishes)
    traces: tuple[AccessTrace, ...] = ()
    command: tuple[str, ...] = ()
    host_network: bool = False
    read_only: bool = False
    timeout: float = 60.0
    stop_limit: float = 10.0
    verify: bool = True
    repairs: int = 3
    fat_name: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the replay on the slim image showed. `repaired` has the paths that each round of repair learned."""

    outcomes: tuple[Outcome, ...] = ()
    differences: tuple[Difference, ...] = ()
    code: int = 0
    repaired: tuple[tuple[bytes, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Slimmed:
    """The finished pair, in files that live as long as the context, and everything that led to it. `probing` says how
    the probes came about; `phases` are seconds."""

    pair: Pair
    trace: AccessTrace
    choice: Choice
    original: Observed
    verdict: Verdict
    probes: tuple[Probe, ...]
    layers: OpenLayers
    phases: Mapping[str, float]
    directory: str


class Unfit(CntrError):
    """The image, or its slim half, does not do what its probes want. `slimmed` is what there is, for the report."""

    def __init__(self, message: str, hint: str = "", slimmed: Slimmed | None = None) -> None:
        super().__init__(message, hint)
        self.slimmed = slimmed


@contextmanager
def slimmed(
    image: Image, request: SlimRequest, rules: Sequence[Rule], filesystem: Filesystem, say: Say
) -> Iterator[Slimmed]:
    """The pair for `image`; its files are gone when the block ends.

    :raises Unfit: a probe fails on the original, or the slim half does otherwise and cannot be repaired.
    :raises CntrError: the image is damaged, cannot be run, or cannot be split.
    """
    clock = _Clock()
    become_private()
    with ExitStack() as stack:
        directory = tempfile.mkdtemp(prefix="cntr-slim-", dir=spool_directory())
        stack.callback(remove_tree, directory)
        say("reading the image")
        layers = stack.enter_context(open_layers(image))
        clock.lap("read")
        yield _Slimmer(image, layers, request, rules, filesystem, say, clock, directory).slim()


class _Clock:
    """Seconds for each phase."""

    def __init__(self) -> None:
        self.phases: dict[str, float] = {}
        self._last = time.monotonic()

    def lap(self, phase: str) -> None:
        now = time.monotonic()
        self.phases[phase] = round(self.phases.get(phase, 0.0) + now - self._last, 4)
        self._last = now


class _Slimmer:
    """One image on its way."""

    def __init__(
        self,
        image: Image,
        layers: OpenLayers,
        request: SlimRequest,
        rules: Sequence[Rule],
        filesystem: Filesystem,
        say: Say,
        clock: _Clock,
        directory: str,
    ) -> None:
        self._image = image
        self._layers = layers
        self._request = request
        self._rules = rules
        self._filesystem = filesystem
        self._say = say
        self._clock = clock
        self._directory = directory
        self._probes = request.probes or default_probes(image.config)[0]
        self._digest = image_digest(image)

    def slim(self) -> Slimmed:
        original = self._run(self._layers, self._probes, "tracing")
        self._clock.lap("trace")
        _must_succeed(original)
        trace = merge([self._trace(original), *self._request.traces])
        expected = (*original.outcomes, *self._expectations())
        repaired: list[tuple[bytes, ...]] = []
        while True:
            result = self._split(trace, original)
            if not self._request.verify:
                return result
            verdict = replace(self._verify(result, expected), repaired=tuple(repaired))
            result = replace(result, verdict=verdict, phases=dict(self._clock.phases))
            if not verdict.differences:
                return result
            missed, trace = self._missed(result, trace)
            if not missed or len(repaired) >= self._request.repairs:
                raise _unfit(result)
            repaired.append(missed)

    def _run(
        self,
        layers: OpenLayers,
        probes: Sequence[Probe],
        what: str,
        against: Sequence[Outcome] = (),
        watched: bool = True,
    ) -> Observed:
        config = self._image.config
        request = RunRequest(
            config, self._digest[7:19], self._request.command, self._request.host_network, self._request.read_only
        )
        return observe(
            [layers.branch()],
            request,
            self._filesystem,
            probes,
            timeout=self._request.timeout,
            progress=lambda step: self._say(f"{what}: {step}"),
            watched=watched,
            against=against,
            stop_limit=self._request.stop_limit,
        )

    def _trace(self, observed: Observed) -> AccessTrace:
        run = {
            "command": [*self._image.config.entrypoint, *(self._request.command or self._image.config.cmd)],
            "probes": [outcome.to_json() for outcome in observed.outcomes],
            "code": observed.code,
        }
        platform = str(self._image.config.platform)
        return AccessTrace(self._digest, platform, observed.accesses, observed.processes, (run,))

    def _expectations(self) -> tuple[Outcome, ...]:
        """How the original answers the probes that only the verification makes."""
        if not self._request.verify_probes:
            return ()
        observed = self._run(self._layers, self._request.verify_probes, "asking the original", watched=False)
        _must_succeed(observed)
        return observed.outcomes

    def _split(self, trace: AccessTrace, original: Observed) -> Slimmed:
        self._say("choosing what to keep")
        choice = choose(self._layers, self._image.config, trace, self._rules, self._request.wishes)
        self._clock.lap("choose")
        self._say("splitting")
        directory = tempfile.mkdtemp(dir=self._directory)
        pair = make_pair(self._layers, self._image.config, choice.files, directory, fat_name=self._request.fat_name)
        self._clock.lap("split")
        return Slimmed(
            pair, trace, choice, original, Verdict(), self._probes, self._layers, dict(self._clock.phases), directory
        )

    def _verify(self, result: Slimmed, expected: Sequence[Outcome]) -> Verdict:
        pair = result.pair
        with (
            background(lambda: check_join(pair.slim.layers, pair.fat.layers, pair.recipe)) as joining,
            open_plain(pair.slim.layers) as slim,
        ):
            check_files(slim, self._layers)
            probes = (*self._probes, *self._request.verify_probes)
            replay = self._run(slim, probes, "verifying", expected, watched=False)
            joining.result()
        self._clock.lap("verify")
        differences = compare(expected, replay.outcomes)
        if replay.code != result.original.code:
            differences.append(Difference("exit", "", "code", result.original.code, replay.code))
        return Verdict(replay.outcomes, tuple(differences), replay.code)

    def _missed(self, result: Slimmed, trace: AccessTrace) -> tuple[tuple[bytes, ...], AccessTrace]:
        """What a run with all files at hand uses that the slim half lacks, and the trace with it.

        The union of both halves is the original, so that is what runs; the probes are those of the verification.
        """
        self._say("repairing")
        probes = (*self._probes, *self._request.verify_probes)
        again = self._trace(self._run(self._layers, probes, "repairing"))
        self._clock.lap("repair")
        kept = {name.path for file in result.choice.files for name in file.names}
        exists = self._layers.view
        missed = sorted(p for p in again.used().keys() - kept if p != b"/" and exists.lookup(p, follow=False))
        return tuple(missed), merge([trace, again])


def image_digest(image: Image) -> str:
    """What names the image's content in a trace: its configuration's digest, or its layers' where it has none."""
    content = image.config.raw or ",".join(layer.diff_id or layer.digest for layer in image.layers).encode()
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _must_succeed(observed: Observed) -> None:
    for outcome in observed.outcomes:
        if not outcome.ok:
            raise Unfit(f"the probe {outcome.spec} fails on the original image: {outcome.detail}", _words(outcome))


def _words(outcome: Outcome) -> str:
    return outcome.output.strip() or "run it by cntr run, and look what is wrong"


def _unfit(result: Slimmed) -> Unfit:
    first = result.verdict.differences[0]
    more = len(result.verdict.differences) - 1
    return Unfit(
        f"the slim image does not do what the original does: {first}" + (f" (and {more} more)" if more else ""),
        "see the report; keep more by --include or by wider probes",
        result,
    )
