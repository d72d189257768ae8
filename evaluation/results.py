"""What a run of the evaluation found of each image: values, and a file with a line of JSON for each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from .groups import Group, group_of
from .lines import read_lines, replaced, write_lines


@dataclass(frozen=True, slots=True)
class Step:
    """How one step went. `run` is a workload's name, or a variant's; `detail` says why it failed."""

    run: str
    step: str
    ok: bool
    detail: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Machine:
    """Where it was found, and by what. `code` changes with any source file of cntr; `memory` is in bytes."""

    host: str
    kernel: str
    cpus: int
    memory: int
    python: str
    cntr: str
    code: str
    commit: str
    runtime: str


@dataclass(frozen=True, slots=True)
class Pieces:
    """A number of the original, and how many of them the slim image has."""

    original: int = 0
    slim: int = 0


@dataclass(frozen=True, slots=True)
class Kept:
    """A file of the slim image, its bytes, the rule that keeps it, and that rule's reason."""

    path: str
    bytes: int
    rule: str
    because: str


@dataclass(frozen=True, slots=True)
class Rule:
    """What a rule keeps that no other had kept before."""

    files: int
    bytes: int


@dataclass(frozen=True, slots=True)
class PeerResult:
    """What a peer's program made of the same image, driven by the same workload. `bytes` are those of all layers,
    uncompressed, `reduction` their share that is gone; `steps` are those of all workloads and variants, on its image;
    `seconds` is the time until that was made. `error` says why there is none."""

    version: str = ""
    bytes: int = 0
    reduction: float = 0.0
    seconds: float = 0.0
    steps: tuple[Step, ...] = ()
    error: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """One image, slimmed in one way.

    `origin` says whether `software` is what the `official` image has, a fork of it, or a substitute. `source` is
    ``local`` or the registry that it came from, `engine` the one in whose container it was traced (empty: cntr's own),
    `keep` the profile, `probe` the workload that drove the trace. `digest` is the manifest's of the original,
    `slim` that of the slim image: the same inputs give the same one. `workload` changes with any step that was asked.

    `bytes` are those of all layers, uncompressed. `packages` counts those with files, and those that still have some.
    `steps` are those of all workloads and variants, on the slim image. `verified`: it did under cntr's own eyes what
    the original did; `joined`: both images together had the original's DiffIDs and configuration; `differences` are
    files of the slim image that are not what they are in the original, in mode, owner, time, attributes or content.
    `seconds` has the time of each phase. `peers` are results of other programs, by their names. `error`
    says why there is no slim image; what follows from it is empty then.
    """

    name: str
    kind: str
    origin: str
    official: str
    software: str
    source: str
    engine: str
    keep: str
    probe: str
    machine: Machine
    started: str
    digest: str = ""
    workload: str = ""
    bytes: Pieces = field(default_factory=Pieces)
    files: Pieces = field(default_factory=Pieces)
    packages: Pieces = field(default_factory=Pieces)
    setuid: Pieces = field(default_factory=Pieces)
    shells: Pieces = field(default_factory=Pieces)
    reduction: float = 0.0
    steps: tuple[Step, ...] = ()
    verified: bool = False
    joined: bool = False
    differences: tuple[str, ...] = ()
    repairs: int = 0
    seconds: Mapping[str, float] = field(default_factory=dict)
    rules: Mapping[str, Rule] = field(default_factory=dict)
    largest: tuple[Kept, ...] = ()
    peers: Mapping[str, PeerResult] = field(default_factory=dict)
    error: str = ""
    slim: str = ""

    @property
    def ok(self) -> bool:
        """Whether there is a slim image, which did all that was asked, and joins."""
        return not self.error and self.joined and not self.differences and all(step.ok for step in self.steps)

    @property
    def group(self) -> Group:
        """The images that it is counted with."""
        return group_of(self.kind)

    @property
    def key(self) -> tuple[str, ...]:
        """What tells it from the other results of a file: the image, and how it was slimmed."""
        return self.name, self.source, self.engine, self.keep, self.probe

    def checks(self) -> tuple[int, int]:
        """How many steps passed that were not asked while tracing, and how many there are."""
        return self.checks_of(self.steps)

    def checks_of(self, steps: Iterable[Step]) -> tuple[int, int]:
        """The same of other steps for the same workloads."""
        asked = {"minimal"} if self.probe == "minimal" else {"minimal", "broad"}
        found = [step.ok for step in steps if step.run not in asked]
        return sum(found), len(found)


def read_results(path: str) -> list[Result]:
    """The results in a file, in its order; none where there is no file.

    :raises msgspec.ValidationError: a line is no result.
    """
    return read_lines(path, Result)


def write_results(path: str, results: Iterable[Result]) -> None:
    """Write a file of results at once: whoever is interrupted leaves the old one."""
    write_lines(path, results)


def with_result(results: Iterable[Result], new: Result) -> list[Result]:
    """`results` with `new` in place of what it repeats, by name."""
    return sorted(replaced(results, new), key=lambda result: result.key)
