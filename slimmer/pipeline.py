"""Slimming: run and observe, select, split, prove, repair. Every step is a module of its own; this is their order."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Protocol

from cntr_core.errors import CntrError
from cntr_core.filesystem import Filesystem
from cntr_core.images import Image
from cntr_core.images.tree.layers import OpenLayers, open_layers
from cntr_core.rules import Rule

from .background import background
from .clock import Clock
from .probes.log import differing
from .probes.result import Difference, Outcome, compare, merge_runs
from .probes.spec import Probe
from .profiles import apparmor_files, seccomp_replay
from .profiles.basis import basis
from .profiles.calls import Calls
from .profiles.made import MadeProfile
from .request import RunOptions, SlimRequest
from .runs.cleanup import scratch
from .runs.observe import Observed
from .runs.runner import Runner, must_succeed
from .selection import Selection, check, choose
from .space import check_space
from .split.pair import Pair, make_pair
from .trace.record import AccessTrace, merge
from .verify import check_files, check_join, open_plain


class ProgressDisplay(Protocol):
    """Shows a person what is being done."""

    def say(self, text: str, /) -> None:
        """A step, a phrase."""

    def counting(self, what: str, total: int | None, /) -> Callable[[int], None]:
        """A step of `total` bytes, None: nobody knows; what is to be told of each further piece."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the replay on the slim image showed.

    `log` has lines that its log has and the original's has not, after ``+``, or the other way round, after ``-``; they
    do not condemn it. `repaired` has the paths that each round of repair learned.
    """

    outcomes: tuple[Outcome, ...] = ()
    differences: tuple[Difference, ...] = ()
    code: int = 0
    log: tuple[str, ...] = ()
    repaired: tuple[tuple[bytes, ...], ...] = ()

    @property
    def same(self) -> bool:
        """Whether nothing differs, not even the log."""
        return not self.differences and not self.log


@dataclass(frozen=True, slots=True)
class Slimmed:
    """The finished pair, in files that live as long as the context, and everything that led to it. `clock` goes on."""

    pair: Pair
    trace: AccessTrace
    selection: Selection
    original: Observed
    verdict: Verdict
    probes: tuple[Probe, ...]
    layers: OpenLayers
    clock: Clock
    directory: str
    profiles: tuple[MadeProfile, ...] = ()

    @property
    def verified(self) -> bool:
        """Whether the slim image was run."""
        return "verify" in self.clock.phases

    @property
    def trouble(self) -> str:
        """How the slim image differs from the original, in a sentence; empty where it does what the original does. The
        log alone does not condemn it."""
        differences = self.verdict.differences
        if not differences:
            return next((profile.trouble for profile in self.profiles if profile.trouble), "")
        return _sentence("the slim image", differences)


def _sentence(what: str, differences: Sequence[Difference]) -> str:
    """That `what` differs from the original; empty where it does not."""
    if not differences:
        return ""
    more = f" (and {len(differences) - 1} more)" if len(differences) > 1 else ""
    return f"{what} does not do what the original does: {differences[0]}{more}"


@contextmanager
def slimmed(
    image: Image,
    request: SlimRequest,
    rules: Sequence[Rule],
    filesystem: Filesystem,
    shown: ProgressDisplay,
    clock: Clock,
) -> Iterator[Slimmed]:
    """The pair for `image`; :attr:`Slimmed.trouble` says whether it is fit for use. Its files are gone when the block
    ends. Call :func:`~.runs.backends.leave_namespaces` once before.

    :raises CntrError: the image is damaged, cannot be run, fails its own probes, or cannot be split.
    """
    with ExitStack() as stack:
        directory = stack.enter_context(scratch("cntr-slim-"))
        layers = stack.enter_context(_opened(image, shown))
        check(layers, request.selection)
        _check_space(directory, layers, image, request)
        clock.lap("read")
        with closing(Runner(image, request.run, filesystem, shown.say)) as runner:
            result = _Slimmer(runner, layers, request, rules, shown, clock, directory).profiled()
        yield result


def _check_space(directory: str, layers: OpenLayers, image: Image, request: SlimRequest) -> None:
    """:raises ImageError: there is too little room for the pair; told before anything runs."""
    engine = request.run.engine
    copied = engine is not None and not image.reference.startswith(f"{engine.name}://")
    size = sum(tar.size for tar in layers.tars)
    check_space(directory, request.target, size, copied=copied, compressed=request.compressed)


def _opened(image: Image, shown: ProgressDisplay) -> AbstractContextManager[OpenLayers]:
    return open_layers(image, shown.counting("reading the image", None))


def traced(image: Image, options: RunOptions, filesystem: Filesystem, shown: ProgressDisplay) -> AccessTrace:
    """What a run of `image` uses. Call :func:`~.runs.backends.leave_namespaces` once before.

    :raises CntrError: the image is damaged, cannot be run, or fails its probes.
    """
    with _opened(image, shown) as layers, closing(Runner(image, options, filesystem, shown.say)) as runner:
        observed = runner.run(layers, "tracing")
        must_succeed(observed, options)
        return runner.trace(observed)


@dataclass(slots=True)
class _Known:
    """What the original is expected to do again, the logs and exit codes of its runs so far, and what each repair has
    learned."""

    expected: tuple[Outcome, ...]
    logs: list[bytes]
    codes: list[int]
    repaired: list[tuple[bytes, ...]] = field(default_factory=list)

    def add(self, again: Observed) -> None:
        """One more run of the original: what differs in it is volatile."""
        self.expected = merge_runs(self.expected, again.outcomes)
        self.logs.append(again.log)
        self.codes.append(again.code)


class _Slimmer:
    """One image on its way."""

    def __init__(
        self,
        runner: Runner,
        layers: OpenLayers,
        request: SlimRequest,
        rules: Sequence[Rule],
        shown: ProgressDisplay,
        clock: Clock,
        directory: str,
    ) -> None:
        self._runner = runner
        self._config = runner.image.config
        self._layers = layers
        self._request = request
        self._rules = rules
        self._shown = shown
        self._clock = clock
        self._directory = directory
        self._all_probes = (*runner.probes, *request.verify_probes)

    def profiled(self) -> Slimmed:
        """The pair, with the security profiles that are wanted, if it is fit for use."""
        result, known = self._slim()
        if result.trouble or not self._request.profiles:
            return result
        makers: dict[str, Callable[[Slimmed], MadeProfile]] = {
            "seccomp": partial(self._seccomp, known),
            "apparmor": self._apparmor,
        }
        made = tuple(makers[kind](result) for kind in self._request.profiles)
        self._clock.lap("profiles")
        return replace(result, profiles=made)

    def _apparmor(self, result: Slimmed) -> MadeProfile:
        lines = basis(self._runner, self._all_probes)
        written = apparmor_files.written(self._runner.written, self._layers.tree, self._request.run, self._config)
        files, used = result.selection.files, result.trace.used()
        return apparmor_files.made(self._runner.digest, files, self._layers.view, used, written, lines)

    def _seccomp(self, known: _Known, result: Slimmed) -> MadeProfile:
        replay = partial(self._replay_under, result, known) if self._request.verify else None
        return seccomp_replay.replayed(
            seccomp_replay.bound_of(self._request.run),
            self._runner.calls,
            basis(self._runner, self._all_probes),
            replay,
            self._request.repairs,
        )

    def _replay_under(self, result: Slimmed, known: _Known, seccomp: Mapping[str, Any]) -> tuple[str, Calls]:
        """How the slim image differs from the original under a profile, and what it called."""
        try:
            with open_plain(result.pair.slim.layers) as slim:
                replay = self._run_slim(result, slim, known.expected, "verifying the profile", seccomp)
        except CntrError as error:
            return f"under the seccomp profile the slim image does not run: {error.message}", Calls()
        differences = self._judged(result, replay, known).verdict.differences
        if differences and not replay.calls.refused:  # perhaps the original itself does so, now and then
            known.add(self._again())
            differences = self._judged(result, replay, known).verdict.differences
        return _sentence("under the seccomp profile the slim image", differences), replay.calls

    def _slim(self) -> tuple[Slimmed, _Known]:
        original = self._runner.run(self._layers, "tracing")
        self._clock.lap("trace")
        must_succeed(original, self._request.run)
        trace = merge([self._runner.trace(original), *self._request.traces])
        known = _Known((*original.outcomes, *self._expectations()), [original.log], [original.code])
        while True:
            result = self._split(trace, original)
            if not self._request.verify:
                check_join(result.pair)
                return result, known
            result, again = self._verified(result, known)
            if again is None:
                return result, known
            missed = self._missed(again, result)
            if not missed or missed in known.repaired or len(known.repaired) >= self._request.repairs:
                return result, known  # as good as it gets
            trace = merge([trace, self._runner.trace(again)])
            known.repaired.append(missed)

    def _verified(self, result: Slimmed, known: _Known) -> tuple[Slimmed, Observed | None]:
        """The result with its verdict; where that is not good, the run with all files from which it may learn."""
        replay = self._replay(result, known.expected)
        result = self._judged(result, replay, known)
        if result.verdict.same:
            return result, None
        again = self._again()
        known.add(again)
        result = self._judged(result, replay, known)
        return result, None if result.verdict.same else again  # the original itself does so, now and then

    def _expectations(self) -> tuple[Outcome, ...]:
        """How the original answers the probes that only the verification makes."""
        if not self._request.verify_probes:
            return ()
        probes = self._request.verify_probes
        observed = self._runner.run(self._layers, "asking the original", probes, watched=False)
        must_succeed(observed, self._request.run)
        return observed.outcomes

    def _split(self, trace: AccessTrace, original: Observed) -> Slimmed:
        self._shown.say("choosing what to keep")
        selection = choose(self._layers, self._runner.config, trace, self._rules, self._request.selection)
        self._clock.lap("choose")
        directory = tempfile.mkdtemp(dir=self._directory)
        pair = make_pair(
            self._layers,
            self._config,
            selection.files,
            directory,
            hollow=selection.hollow,
            lists=selection.lists,
            fat_name=self._request.fat_name,
            squash=self._request.squash,
            progress=self._shown.counting("splitting", sum(tar.size for tar in self._layers.tars)),
        )
        self._clock.lap("split")
        probes = self._runner.probes
        return Slimmed(pair, trace, selection, original, Verdict(), probes, self._layers, self._clock, directory)

    def _replay(self, result: Slimmed, expected: Sequence[Outcome]) -> Observed:
        """The slim image's run, while the digests of both images together are proved."""
        pair = result.pair
        with (
            background(lambda: check_join(pair)) as joining,
            open_plain(pair.slim.layers) as slim,
        ):
            check_files(slim, self._layers.tree, pair.lists)
            replay = self._run_slim(result, slim, expected, "verifying")
            joining.result()
        self._clock.lap("verify")
        return replay

    def _run_slim(
        self,
        result: Slimmed,
        slim: OpenLayers,
        expected: Sequence[Outcome],
        what: str,
        seccomp: Mapping[str, Any] | None = None,
    ) -> Observed:
        """One run of the slim image, whose layers are `slim`, by all probes."""
        return self._runner.run(
            slim,
            what,
            self._all_probes,
            against=expected,
            watched=False,
            slim_image=result.pair.slim,
            seccomp=seccomp,
        )

    def _judged(self, result: Slimmed, replay: Observed, known: _Known) -> Slimmed:
        differences = compare(known.expected, replay.outcomes)
        if replay.code not in known.codes:
            differences.append(Difference("exit", "", "code", result.original.code, replay.code))
        log = differing(replay.log, *known.logs)
        verdict = Verdict(replay.outcomes, tuple(differences), replay.code, log, tuple(known.repaired))
        original = replace(result.original, outcomes=known.expected)
        return replace(result, original=original, verdict=verdict)

    def _again(self) -> Observed:
        """A run with all files at hand: the union of both images is the original, so that is what runs. The probes are
        those of the verification."""
        again = self._runner.run(self._layers, "repairing", self._all_probes)
        self._clock.lap("repair")
        return again

    def _missed(self, again: Observed, result: Slimmed) -> tuple[bytes, ...]:
        """What that run used, and the slim image lacks."""
        kept = {name.path for file in result.selection.files for name in file.names}
        exists = self._layers.view
        used = self._runner.trace(again).used().keys()
        return tuple(sorted(p for p in used - kept if p != b"/" and exists.lookup(p, follow=False)))
