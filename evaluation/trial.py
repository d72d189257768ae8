"""An image of the corpus under its own workloads, as it is: whoever fails here cannot be judged when it is slim."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

from cntr_slimmer.probes.defaults import tcp_ports
from cntr_slimmer.probes.drive import run_probes
from cntr_slimmer.probes.prober import Prober
from cntr_slimmer.probes.result import Outcome
from cntr_slimmer.runs.embedded import Launch, become_private, running

from cntr_core.errors import CntrError
from cntr_core.filesystem import Filesystem
from cntr_core.images import Image, open_image
from cntr_core.images.tree.branch import LayerBranch
from cntr_core.images.tree.layers import open_layers
from cntr_core.plugins import load
from cntr_core.runtime import RuntimeOptions

from .manifest import Entry, probes
from .results import Step


@dataclass(frozen=True, slots=True)
class Run:
    """One container: how it starts, and its steps with the workload that each is of."""

    env: dict[str, str]
    command: tuple[str, ...]
    steps: tuple[tuple[str, str], ...]


def tried(entry: Entry, layout: str, scripts: str) -> Iterator[Step]:
    """Every step of all workloads, in one container, then those of each variant in another. One that cannot be asked
    since its container does not start, or has ended, fails. For a process of its own: it leaves the caller's mount
    namespace.

    :raises CntrError: the image cannot be read.
    """
    filesystem = load().filesystem("direct")
    become_private()
    image = open_image(layout)
    with open_layers(image, lambda _: None) as layers:
        yield from used(entry, image, layers.branch, filesystem, scripts, runs_of(entry))


def used(
    entry: Entry,
    image: Image,
    branch: Callable[[], LayerBranch],
    filesystem: Filesystem,
    scripts: str,
    runs: Iterable[Run],
) -> Iterator[Step]:
    """The steps of `runs`, each in a container of its own, whose root is what `branch` gives."""
    for run in runs:
        done, why = 0, "the container has ended"
        try:
            for step in _tried(run, image, branch(), filesystem, scripts, (entry.seconds, entry.stop_seconds)):
                yield step
                done += 1
        except CntrError as error:  # of this container; the others may start
            why = error.message
        yield from (Step(which, step, False, f"not asked: {why}", 0.0) for which, step in run.steps[done:])


def driving(entry: Entry, workloads: Iterable[str]) -> Run:
    """What drives a trace: the image's own way to start, and the steps of these workloads."""
    steps = ((which, step) for which in workloads for step in getattr(entry, which))
    return Run(dict(entry.env), entry.command, tuple(steps))


def runs_of(entry: Entry) -> Iterator[Run]:
    """The containers of all workloads: the image's own way to start, then each variant."""
    yield driving(entry, ("minimal", "broad", "check"))
    for variant in entry.variants:
        command = variant.command or entry.command
        steps = chain((("broad", step) for step in variant.broad), ((variant.name, step) for step in variant.check))
        yield Run({**entry.env, **variant.env}, command, tuple(steps))


def all_steps(entry: Entry) -> list[str]:
    """What is tried; a result counts for the same steps only."""
    runs = [entry.minimal, entry.broad, entry.check, *((*variant.broad, *variant.check) for variant in entry.variants)]
    return [step for run in runs for step in run]


def _tried(
    run: Run, image: Image, branch: LayerBranch, filesystem: Filesystem, scripts: str, times: tuple[float, float]
) -> Iterator[Step]:
    """The steps of one container. `times`: seconds until it is ready, and for its end."""
    seconds, stop = times
    env = tuple(f"{name}={text}" for name, text in run.env.items())
    launch = Launch(image.config, "corpus", RuntimeOptions(run.command, env=env))
    wanted = probes((step for _, step in run.steps), scripts)
    with running([branch], launch, filesystem) as container:
        for (which, step), probe in zip(run.steps, wanted, strict=True):
            prober = Prober([probe], tcp_ports(image.config))
            with prober:
                outcome = run_probes(container, prober, timeout=seconds, progress=lambda _: None)[0]
            seconds = times[0] / 4 if outcome.ok else seconds  # the program is ready
            yield Step(which, step, outcome.ok, _detail(outcome), round(outcome.seconds, 3))
            if not outcome.ok and container.ended() is not None:
                return
        container.end(stop)


def _detail(outcome: Outcome) -> str:
    """Nothing for a success; else the reason, and the end of what was said."""
    return "" if outcome.ok else "\n".join([outcome.detail, *outcome.output.strip().splitlines()[-15:]])
