"""Runs of one image, one after the other: on all its files, observed; on its slim image, to compare."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from cntr_core.errors import CntrError
from cntr_core.filesystem import Filesystem
from cntr_core.images import Image
from cntr_core.images.streams import digest_of
from cntr_core.images.tree.layers import OpenLayers
from cntr_core.images.write.new_image import NewImage
from cntr_core.runtime import arguments, variables

from ..probes.defaults import default_probes, tcp_ports
from ..probes.prober import Prober
from ..probes.result import Outcome
from ..probes.spec import Probe
from ..profiles.calls import Calls
from ..request import RunOptions
from ..trace.record import AccessTrace
from .backends import backend_of
from .embedded import NOT_MOUNTED, Launch
from .observe import Observed, Say, observe
from .written import Change

_NOT_FOUND = 127  # the shell's exit code where there is no such command, and the shim's
_LONGEST_LINE = 150  # characters, of the container's last words


class Runner:
    """Runs `image` as `options` say, on whichever layers it is given."""

    def __init__(self, image: Image, options: RunOptions, filesystem: Filesystem, say: Say) -> None:
        self.image = image
        self.digest = image_digest(image)
        self._default = () if options.probes else default_probes(image.config, options.until)[0]
        self.probes = (*options.probes, *self._default, *options.until)
        self._options = options
        self.config = replace(image.config, env=tuple(variables(image.config, options.runtime)))
        """The image's, with the variables of its runs."""
        self._launch = Launch(image.config, self.digest[7:19], options.runtime)
        self.calls = Calls()
        """What all runs called so far, if that is counted, but for those under another profile."""
        self.written: frozenset[Change] = frozenset()
        """Where all runs wrote so far, if that is watched."""
        self.ended = 0
        """How many runs there were, but for those under another profile."""
        self._backend = backend_of(image, options, filesystem)
        self._say = say

    def close(self) -> None:
        """Give up what was made for all runs."""
        self._backend.close()

    def run(
        self,
        layers: OpenLayers,
        what: str,
        probes: Sequence[Probe] | None = None,
        *,
        against: Sequence[Outcome] = (),
        watched: bool = True,
        slim_image: NewImage | None = None,
        seccomp: Mapping[str, Any] | None = None,
    ) -> Observed:
        """One run; `what` is said meanwhile. `slim_image` is the image that has these layers, where they are not the
        original's, for an engine to take; `seccomp` is a profile of system calls in place of that of the options. The
        host name is the same in every run, so that no answer differs by it.

        :raises CntrError: it cannot be started or stopped.
        """
        prober = Prober(self.probes if probes is None else probes, tcp_ports(self.image.config), self._default)
        launch = replace(self._launch, seccomp=seccomp, watch_writes=self._options.watch_writes)

        def run(launch: Launch) -> Observed:
            start = partial(self._backend.start, launch, layers, slim_image)
            say = partial(self._say_step, what)
            observed = observe(start, prober, self._options, say, watched=watched, against=against)
            self.written |= observed.written
            self.ended += seccomp is None
            return observed

        return self._counted(run, launch) if self._options.count_calls else run(launch)

    def _say_step(self, what: str, step: str) -> None:
        self._say(f"{what}: {step}")

    def _counted(self, run: Callable[[Launch], Observed], launch: Launch) -> Observed:
        """A run with its calls, which are also kept where no profile of ours held it back."""
        from ..profiles.recorder import CallRecorder

        with CallRecorder() as recorder:
            observed = run(replace(launch, created=recorder.watch))
            observed = replace(observed, calls=recorder.calls())
        if launch.seccomp is None:
            self.calls |= observed.calls
        return observed

    def trace(self, observed: Observed) -> AccessTrace:
        """The trace of a run that was watched."""
        run = {
            "command": list(arguments(self.image.config, self._options.runtime)),
            "probes": [outcome.to_json() for outcome in observed.outcomes],
            "code": observed.code,
        }
        if seeded := _seeded_volumes(self._options):
            run["volumes"] = seeded
        platform = str(self.image.config.platform)
        return AccessTrace(self.digest, platform, observed.accesses, observed.processes, (run,))


def _seeded_volumes(options: RunOptions) -> list[str]:
    """Where the engine makes new volumes for the run, and copies what the image has there: those of the user that are
    no directory of the host (docker's ``NAME:PATH`` and ``PATH``, without ``nocopy``)."""
    split = [volume.split(":") for volume in options.options.volumes]
    named = [parts[1] for parts in split if len(parts) > 1 and parts[0][:1] not in "/." and "nocopy" not in parts[-1]]
    return [*(parts[0] for parts in split if len(parts) == 1), *named]


def image_digest(image: Image) -> str:
    """What names the image's content in a trace: its configuration's digest, or its layers' where it has none."""
    content = image.config.raw or ",".join(layer.diff_id or layer.digest for layer in image.layers).encode()
    return digest_of(content)


def must_succeed(observed: Observed, options: RunOptions) -> None:
    """:raises CntrError: a probe failed; the message has the container's last words."""
    for outcome in observed.outcomes:
        if not outcome.ok:
            said = [_ending(line) for line in outcome.output.strip().splitlines()[-1:]]
            raise CntrError(
                f"the probe {outcome.spec} fails on the original image: {outcome.detail}"
                + "".join(f"; its last output was: {line}" for line in said)
                + f"; {observed.limit_met}" * bool(observed.limit_met),
                "raise the limit with --memory or --pids-limit" if observed.limit_met else _advice(outcome, options),
            )


def _ending(line: str) -> str:
    """The end of a line, which is what tells most; a container may write a line without end."""
    return line if len(line) <= _LONGEST_LINE else f"…{line[-_LONGEST_LINE:]}"


def _advice(outcome: Outcome, options: RunOptions) -> str:
    """What to do about a probe that failed on the original; where it is for a page's status, what to write instead."""
    for one in outcome.observations:
        if f"{one.subject} answered {one.facts.get('status')}" in outcome.detail:
            return f"if that is right, write --probe {one.subject}={one.facts['status']}; else ask for another page"
    if f"ended with code {_NOT_FOUND}" in outcome.detail:
        return NOT_MOUNTED
    return f"start it with {options.program} run, and find out what is wrong"
