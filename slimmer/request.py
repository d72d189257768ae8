"""What a user wants of a run, and of slimming."""

from __future__ import annotations

from dataclasses import dataclass, field

from cntr_core.engine.tracing import TracingEngine, TracingOptions
from cntr_core.runtime import RuntimeOptions

from .probes.spec import Probe
from .selection import SelectionOptions
from .trace.record import AccessTrace

PROGRAMS = {"docker": "docker", "podman": "podman", "containerd": "nerdctl"}
"""The engines whose own programs start containers, and can read the archive of a pair."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How the image runs, and what drives it. Without `probes` it is the image's own default; `until` comes after
    either. `timeout` is in seconds, for all probes of one run; `stop_limit` those between the stop signal and SIGKILL.
    With an `engine` it runs in containers of that one, as `options` say, else in ours."""

    probes: tuple[Probe, ...] = ()
    until: tuple[Probe, ...] = ()
    runtime: RuntimeOptions = field(default_factory=RuntimeOptions)
    timeout: float = 60.0
    stop_limit: float = 10.0
    engine: TracingEngine | None = None
    options: TracingOptions = field(default_factory=TracingOptions)
    count_calls: bool = False
    """Whether the system calls of each run are counted, for a profile of them."""
    watch_writes: bool = False
    """Whether it is noted where each run writes, for a profile of its files."""

    @property
    def program(self) -> str:
        """What a person would start the container with."""
        return PROGRAMS.get(self.engine.name, self.engine.name) if self.engine else "cntr"


@dataclass(frozen=True, slots=True)
class SlimRequest:
    """How an image is slimmed. `verify_probes` are asked of the slim image beside the others; `traces` are those of
    earlier runs, whose files are kept, too; `repairs` is how often a slim image that fails may learn. With `squash` the
    slim half has one layer. `profiles` are the kinds of security profiles that are made. `target` is the directory
    where both images will be written, empty where that is not on this machine, and `compressed` whether that makes them
    smaller: for how much room is needed."""

    run: RunOptions = field(default_factory=RunOptions)
    verify_probes: tuple[Probe, ...] = ()
    selection: SelectionOptions = field(default_factory=SelectionOptions)
    traces: tuple[AccessTrace, ...] = ()
    verify: bool = True
    repairs: int = 3
    squash: bool = False
    profiles: tuple[str, ...] = ()
    fat_name: str = ""
    target: str = ""
    compressed: bool = True
