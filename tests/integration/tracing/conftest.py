"""Docker, podman and containerd, each with images built for a test, which are gone after it."""

from __future__ import annotations

import os
import socket
import subprocess
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from cntr_plugins.engines.containerd.engine import ContainerdEngine
from cntr_plugins.engines.docker.api import ApiEngine
from cntr_plugins.engines.docker.engine import DockerEngine
from cntr_plugins.engines.podman.engine import PodmanEngine
from cntr_plugins.fs.direct import DirectFilesystem
from cntr_slimmer.runs.embedded import Launch
from cntr_slimmer.runs.engine import EngineRun, running_in_engine
from cntr_slimmer.trace.observer import TraceObserver

from cntr_core.engine.tracing import TracingOptions
from cntr_core.images import open_image
from cntr_core.runtime import RuntimeOptions
from tests.support.containerd import Containerd
from tests.support.images import docker_image
from tests.support.podman import podman, podman_image


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def answers(port: int) -> bool:
    """Whether a web server answers there, and well."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


class EngineCase:
    """One engine, its command line, and what a test made of images."""

    def __init__(self, engine: ApiEngine | ContainerdEngine, directory: Path) -> None:
        self.engine = engine
        self.name = engine.name
        self._directory = directory
        self._built: list[str] = []

    def command(self, *arguments: str) -> str:
        line = [self.name, *arguments]
        return subprocess.run(line, check=True, capture_output=True, text=True, timeout=120).stdout

    def image(self, recipe: str) -> str:
        """An image of tests.support.images."""
        return docker_image(recipe) if self.name == "docker" else podman_image(recipe)

    def build(self, dockerfile: str, recipe: str = "debian") -> str:
        """An image on top of one of tests.support.images; docker builds it, also for podman."""
        tag = f"cntr-gate-test:{uuid.uuid4().hex}"
        self._built.append(tag)
        environment = {**os.environ, "DOCKER_BUILDKIT": "0"}
        content = f"FROM {docker_image(recipe)}\n{dockerfile}".encode()
        line = ["docker", "build", "--quiet", "--tag", tag, "-"]
        subprocess.run(line, input=content, check=True, capture_output=True, env=environment, timeout=120)
        if self.name != "docker":
            archive = str(self._directory / "built.tar")
            subprocess.run(["docker", "save", "--output", archive, tag], check=True, timeout=120)
            self.load(archive)
            os.unlink(archive)
        return tag

    def load(self, archive: str) -> None:
        """Take the image of an archive."""
        podman("load", "--quiet", "--input", archive, timeout=300)

    def run(
        self,
        image: str,
        *command: str,
        options: TracingOptions | None = None,
        observer: TraceObserver | None = None,
        **wishes: Any,
    ) -> AbstractContextManager[EngineRun]:
        with open_image(image, engines=[self.engine]) as opened:
            request = Launch(opened.config, "a-host", RuntimeOptions(command, **wishes))
        return running_in_engine(self.engine, image, request, options or TracingOptions(), DirectFilesystem(), observer)

    def containers(self) -> list[str]:
        """The names of all containers that runs of cntr have."""
        return sorted(c.name for c in self.engine.containers() if c.name.startswith("cntr-run-"))

    def tags(self) -> list[str]:
        """The names of all images that runs of cntr have."""
        listed = self.command("images", "--format", "{{.Repository}}:{{.Tag}}").split()
        return sorted(tag for tag in listed if "cntr-run-" in tag)

    def left(self) -> list[str]:
        """What else runs of cntr made in the engine, and did not remove."""
        return []

    @contextmanager
    def serving(self, image: str) -> Iterator[Callable[[], bool]]:
        """A container of an image that serves at port 80; gives what tells whether it answers."""
        name, port = f"cntr-gate-{uuid.uuid4().hex}", free_port()
        limits = ("--ulimit", "nofile=1024:2048", "--ulimit", "nproc=1024:2048") if self.name == "podman" else ()
        self.command("run", "--detach", "--name", name, *limits, "--publish", f"127.0.0.1:{port}:80", image)
        try:
            yield lambda: answers(port)
        finally:
            self.command("rm", "--force", "--volumes", name)

    def forget(self, tag: str) -> None:
        """Remove an image, wherever it is; nothing happens where it is unknown."""
        for engine in {"docker", self.name}:
            subprocess.run([engine, "rmi", "--force", tag], check=False, capture_output=True, timeout=60)

    def clean(self) -> None:
        for tag in self._built:
            self.forget(tag)


class ContainerdCase(EngineCase):
    """A containerd of the tests, which has ctr for a command line."""

    def __init__(self, daemon: Containerd, directory: Path) -> None:
        super().__init__(ContainerdEngine(), directory)
        self.daemon = daemon

    def command(self, *arguments: str) -> str:
        return self.daemon.ctr(*arguments)

    def image(self, recipe: str) -> str:
        return self.daemon.load(recipe)

    def load(self, archive: str) -> None:
        self.command("images", "import", "--no-unpack", archive)

    def tags(self) -> list[str]:
        return sorted(tag for tag in self.command("images", "list", "--quiet").split() if "cntr-run-" in tag)

    def left(self) -> list[str]:
        listings = (("containers", "list", "--quiet"), ("leases", "list", "--quiet"), ("snapshots", "list"))
        words = [word for listing in listings for word in self.command(*listing).split()]
        return [word for word in words if word.startswith("cntr-")]

    @contextmanager
    def serving(self, image: str) -> Iterator[Callable[[], bool]]:
        name = f"cntr-gate-{uuid.uuid4().hex}"
        line = ("run", "--detach", "--null-io", "--runc-root", f"{self.daemon.directory}/runc")
        self.command(*line, f"docker.io/library/{image}", name)
        inside = ("nsenter", "--net", "--target", str(self.daemon.pid(name)))
        curl = [*inside, "curl", "--silent", "--fail", "--output", "/dev/null", "http://127.0.0.1/"]
        try:
            yield lambda: subprocess.run(curl, timeout=60).returncode == 0
        finally:
            self.command("tasks", "delete", "--force", name)
            self.command("containers", "delete", name)

    def forget(self, tag: str) -> None:
        subprocess.run(["docker", "rmi", "--force", tag], check=False, capture_output=True, timeout=60)
        self.command("images", "remove", "--sync", f"docker.io/library/{tag}")


DOCKER = pytest.param("docker", marks=pytest.mark.requires("docker"))
PODMAN = pytest.param("podman", marks=pytest.mark.requires("podman", "runc"))
CONTAINERD = pytest.param("containerd", marks=pytest.mark.requires("containerd", "runc", "nsenter", "curl"))
networked = pytest.mark.parametrize("tested", [DOCKER, PODMAN], indirect=True)
"""For tests of what only engines with networks, health checks and an init of their own do."""


@pytest.fixture(params=[DOCKER, PODMAN, CONTAINERD])
def tested(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EngineCase]:
    """The engine; temporary files of runs are below the test's own directory."""
    spool = tmp_path / "spool"
    spool.mkdir()
    monkeypatch.setenv("TMPDIR", str(spool))
    if request.param == "podman":
        request.getfixturevalue("podman_settings")
    if request.param == "containerd":
        daemon = request.getfixturevalue("containerd")
        monkeypatch.setenv("CONTAINERD_ADDRESS", daemon.socket)
        tested: EngineCase = ContainerdCase(daemon, tmp_path)
    else:
        tested = EngineCase(DockerEngine() if request.param == "docker" else PodmanEngine(), tmp_path)
    yield tested
    tested.clean()
    assert tested.left() == []


@pytest.fixture
def observer() -> Iterator[TraceObserver]:
    """An observer of one run."""
    observer = TraceObserver()
    yield observer
    observer.release()
