"""Peers of cntr, where their programs are here: each makes a slim image of its own, driven by the same workload.

Both, slimtoolkit and its fork mint, have the same command line (their README, "build"): the program starts the image in
docker, below a sensor, until SIGUSR1 tells it that the container was used. It knows one way to start an image: of other
variants nothing is traced.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import msgspec
from cntr_slimmer.probes.defaults import tcp_ports
from cntr_slimmer.probes.drive import run_probes
from cntr_slimmer.probes.prober import Prober
from cntr_slimmer.probes.spec import Exit, Probe
from cntr_slimmer.runs.imported import imported, original_image

from cntr_core.engine.tracing import TracingEngine
from cntr_core.errors import EngineError
from cntr_core.images import open_image
from cntr_core.images.tree.layers import open_layers
from cntr_core.plugins import load

from .children import last_words
from .docker import Container, Docker
from .manifest import Entry, probes
from .results import PeerResult, Step
from .sources import Failed
from .trial import tried

PEERS = ("mint", "slim")
_PATIENCE = 600.0
"""Seconds until the container runs, and until the slim image is made."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A program at `path`, which is called `name`."""

    name: str
    path: str


def parse_peer(text: str) -> Peer:
    """The program that ``NAME=PATH`` means; :raises ValueError: it means none."""
    name, _, path = text.partition("=")
    if name not in PEERS:
        raise ValueError(f"a peer is {' or '.join(PEERS)}, as in mint=/usr/local/bin/mint")
    if not os.access(path, os.X_OK):
        raise ValueError(f"{path or 'nothing'} is no program")
    return Peer(name, os.path.abspath(path))


def build_line(peer: Peer, entry: Entry, image: str, tag: str, directory: str) -> list[str]:
    """The words of the peer that make the image `tag` of `image`, and files in `directory` alone."""
    line = [peer.path, f"--report={directory}/report.json", f"--state-path={directory}/state", "build"]
    line += ["--target", image, "--tag", tag, "--http-probe=false", "--continue-after=signal"]
    line += [f"--env={name}={value}" for name, value in entry.env.items()]
    return line + ([f"--cmd={shlex.join(entry.command)}"] if entry.command else [])


def judge_peer(peer: Peer, entry: Entry, original: str, scripts: str, directory: str) -> None:
    """Have the peer make its image, and print lines of JSON: its size and version, then one for each step, all of them,
    on that image. For a process of its own: it leaves the caller's mount namespace.

    :raises Failed: there is no image.
    """
    archive, begun = os.path.join(directory, "slim.tar"), time.monotonic()
    with (
        open_image(original) as image,
        open_layers(image) as layers,
        imported(_docker(), lambda place: original_image(image.config, layers, place)) as name,
    ):
        _make(peer, entry, name, archive, scripts, tcp_ports(image.config))
    with open_image(archive) as made, open_layers(made) as layers:
        size = sum(tar.size for tar in layers.tars)
    seconds = round(time.monotonic() - begun, 1)
    print(json.dumps({"bytes": size, "version": _version(peer), "seconds": seconds}), flush=True)
    for step in tried(entry, archive, scripts):
        print(json.dumps({"step": asdict(step)}), flush=True)


def _docker() -> TracingEngine:
    engine = next(one for one in load().engines if one.name == "docker")
    if not isinstance(engine, TracingEngine):
        raise EngineError("docker takes no images", "run `cntr doctor`")
    return engine


def _make(peer: Peer, entry: Entry, image: str, archive: str, scripts: str, ports: Sequence[int]) -> None:
    """Have the image made, and saved as `archive`; nothing of it stays in docker."""
    docker, tag = Docker(), f"cntr-peer-{uuid.uuid4().hex}"
    log, directory = f"{archive}.log", os.path.dirname(archive)
    with _no_image(docker, tag), _no_containers(docker, image), Prober(_driving(entry, scripts), ports) as prober:
        line = build_line(peer, entry, image, tag, directory)
        with open(log, "wb") as words, _ended(line, words.fileno()) as program:
            container = _started(docker, image, program, log)
            run_probes(container, prober, timeout=2 * entry.seconds + 60, progress=lambda _: None)
            program.send_signal(signal.SIGUSR1)
            code = program.wait(_PATIENCE)
        if code:
            raise Failed(f"{peer.name} ended with code {code}: {last_words(log)}")
        docker.must("save", f"--output={archive}", tag)


def _driving(entry: Entry, scripts: str) -> list[Probe]:
    """What drives it: what drives a trace, but for the container's own end, which the sensor takes upon itself."""
    return [probe for probe in probes((*entry.minimal, *entry.broad), scripts) if not isinstance(probe, Exit)]


@contextmanager
def _ended(line: Sequence[str], output: int) -> Iterator[subprocess.Popen[bytes]]:
    """The program, which does not outlive the block. A Ctrl-C is ours to pass on."""
    program = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)
    try:
        yield program
    finally:
        program.kill()
        program.wait()


def _started(docker: Docker, image: str, program: subprocess.Popen[bytes], log: str) -> Container:
    """The container that the program has started of the image."""
    deadline = time.monotonic() + _PATIENCE
    while not (names := docker.must("ps", "--quiet", f"--filter=ancestor={image}").split()):
        if program.poll() is not None or time.monotonic() > deadline:
            raise Failed(f"it starts no container: {last_words(log)}")
        time.sleep(0.1)
    return Container(docker, names[0])


@contextmanager
def _no_image(docker: Docker, tag: str) -> Iterator[None]:
    try:
        yield
    finally:
        docker.docker("rmi", "--force", tag)


@contextmanager
def _no_containers(docker: Docker, image: str) -> Iterator[None]:
    try:
        yield
    finally:
        for name in docker.must("ps", "--all", "--quiet", f"--filter=ancestor={image}").split():
            docker.docker("rm", "--force", "--volumes", name)


def _version(peer: Peer) -> str:
    line = [peer.path, "--version"]
    return subprocess.run(line, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False).stdout.strip()


def peer_result(lines: Sequence[Mapping[str, Any]], original: int, error: str) -> PeerResult:
    """What the lines of :func:`judge_peer` say of an image of `original` bytes."""
    about = next((line for line in lines if "bytes" in line), None)
    if about is None:
        return PeerResult(error=error or "it made no image")
    steps = tuple(msgspec.convert(line["step"], Step) for line in lines if "step" in line)
    reduction = round(1 - about["bytes"] / original, 4) if original else 0.0
    return PeerResult(about["version"], about["bytes"], reduction, about["seconds"], steps, error)
