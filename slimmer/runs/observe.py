"""One observed run: start, probe, stop; what was used, and how the probes went."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Protocol

from ..probes.drive import run_probes
from ..probes.prober import Prober
from ..probes.result import Outcome
from ..probes.running import Running
from ..profiles.calls import Calls
from ..request import RunOptions
from ..trace.observer import TraceObserver
from ..trace.record import Access, Phase, Process
from .written import Change

Say = Callable[[str], object]


class Started(Running, Protocol):
    """A container that was started for a run."""

    def end(self, limit: float) -> int:
        """End it by its stop signal, after `limit` seconds by SIGKILL; its exit code."""

    def written(self) -> frozenset[Change]:
        """Where it wrote so far, if that is watched."""

    def limit_met(self) -> str:
        """Which limit of ours it met, in a sentence; empty for none."""


Start = Callable[[TraceObserver | None], AbstractContextManager[Started]]
"""Starts the container, watched or not; it is gone when the context is left. Called while there is one thread."""


@dataclass(frozen=True, slots=True)
class Observed:
    """A run that is over. `code` is the exit code of its first process, 128+n for signal n; accesses and processes are
    empty where nobody watched."""

    outcomes: tuple[Outcome, ...]
    code: int
    log: bytes
    accesses: tuple[Access, ...] = ()
    processes: tuple[Process, ...] = ()
    limit_met: str = ""
    """Which limit of ours the container met, in a sentence; empty for none."""
    calls: Calls = field(default_factory=Calls)
    """The system calls that were made, where they were counted."""
    written: frozenset[Change] = frozenset()
    """Where it wrote, if that was watched."""

    @property
    def ok(self) -> bool:
        """Whether every probe succeeded."""
        return all(outcome.ok for outcome in self.outcomes)


def observe(
    start: Start, prober: Prober, options: RunOptions, progress: Say, *, watched: bool, against: Sequence[Outcome]
) -> Observed:
    """Run the container that `start` starts, drive it by `prober`, stop it, within the times of `options`.

    `against` has the original's outcomes, where this is a replay.

    :raises CntrError: it cannot be started or stopped, or the trace is not complete.
    """
    with TraceObserver() if watched else nullcontext() as observer:
        with prober, start(observer) as container:
            if observer is not None:
                observer.enter(Phase.PROBE)
            outcomes = run_probes(container, prober, timeout=options.timeout, progress=progress, against=against)
            progress("stopping")
            code = container.end(options.stop_limit)
            log, limit_met, written = container.log(), container.limit_met(), container.written()
        accesses, processes = observer.records() if observer is not None else ((), ())
    return Observed(tuple(outcomes), code, log, accesses, processes, limit_met, written=written)
