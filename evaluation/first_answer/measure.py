"""One image, measured: the original and the slim one, each by an engine that has nothing yet. For a process of its own
that is the first in its process namespace: what it starts ends with it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from cntr_slimmer.probes.defaults import tcp_ports
from cntr_slimmer.probes.drive import run_probes
from cntr_slimmer.probes.prober import Prober

from cntr_core.images import open_image

from ..docker import Container
from ..manifest import Entry, probes
from ..sources import Failed
from .engine import Engine, fresh_engine, hide_the_machines_engines, run_line
from .link import HERE, THERE, Speed, end_of_link, joined, new_network
from .registry import PORT, push, serving
from .results import Taken

_REGISTRY = f"{HERE}:{PORT}"


def measure(entry: Entry, images: Mapping[str, str], directory: str, scripts: str, speed: Speed) -> None:
    """Print a line of JSON for each of `images`, references by what they are called there. Files go to `directory`.

    :raises CntrError: an image cannot be read, or a probe not be made.
    :raises Failed: it cannot be pulled or started, or does not answer.
    """
    hide_the_machines_engines()
    new_network()
    one = end_of_link(HERE, THERE, speed)
    with serving(directory) as pushing:  # in this network; what is pushed does not go over the link
        sizes = {name: push(reference, f"{pushing}/{name}:latest") for name, reference in images.items()}
        new_network()
        with joined(one, end_of_link(THERE, HERE, speed), speed):
            for name, reference in images.items():
                with open_image(reference) as opened, fresh_engine(f"{directory}/engine", _REGISTRY) as engine:
                    ports = tcp_ports(opened.config)
                    seconds = first_answer(engine, f"{_REGISTRY}/{name}:latest", entry, ports, scripts)
                    found = {name: asdict(Taken(sizes[name], *seconds)), "engine": _version(engine)}
                print(json.dumps(found), flush=True)


def first_answer(
    engine: Engine, image: str, entry: Entry, ports: Sequence[int], scripts: str
) -> tuple[float, float, float]:
    """The seconds of the pull, of the start, and from then to the answer to the entry's first step.

    :raises Failed: docker refuses, or nobody answers.
    """
    with Prober(probes(entry.minimal[:1], scripts), ports) as prober:  # what it needs is loaded before
        os.sync()  # a pull waits for the disk, and so for all that was written before
        begun = time.monotonic()
        engine.must("pull", "--quiet", image)
        pulled = time.monotonic()
        name = engine.must(*run_line(entry, image))
        started = time.monotonic()
        container = Container(engine, name)
        asked = time.monotonic()
        outcome = run_probes(container, prober, timeout=entry.seconds, progress=lambda _: None)[0]
    if not outcome.ok:
        raise Failed(f"no answer to {entry.minimal[0]}: {outcome.detail}: {outcome.output}")
    return round(pulled - begun, 3), round(started - pulled, 3), round(asked - started + outcome.seconds, 3)


def _version(engine: Engine) -> str:
    return f"Docker {engine.must('version', '--format={{.Server.Version}}')}"
