"""Docker and podman, each with images built for a test, which are gone after it."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from cntr_plugins.engines.docker import DockerEngine
from cntr_plugins.engines.docker_api import ApiEngine
from cntr_plugins.engines.podman import PodmanEngine
from cntr_plugins.fs.direct import DirectFilesystem
from cntr_slimmer.runs.embedded import RunRequest
from cntr_slimmer.runs.engine import EngineRun, running_in_engine
from cntr_slimmer.trace.watch import Watch

from cntr_core.gated import GatedOptions
from cntr_core.images import open_image
from tests.images import docker_image
from tests.podman import podman, podman_image


class Place:
    """One engine, its command line, and what a test made of images."""

    def __init__(self, engine: ApiEngine, directory: Path) -> None:
        self.engine = engine
        self.name = engine.name
        self._directory = directory
        self._built: list[str] = []

    def command(self, *arguments: str) -> str:
        line = [self.name, *arguments]
        return subprocess.run(line, check=True, capture_output=True, text=True, timeout=120).stdout

    def image(self, recipe: str) -> str:
        """An image of tests.images."""
        return docker_image(recipe) if self.name == "docker" else podman_image(recipe)

    def build(self, dockerfile: str, recipe: str = "debian") -> str:
        """An image on top of one of tests.images; docker builds it, also for podman."""
        tag = f"cntr-gate-test:{uuid.uuid4().hex}"
        self._built.append(tag)
        environment = {**os.environ, "DOCKER_BUILDKIT": "0"}
        content = f"FROM {docker_image(recipe)}\n{dockerfile}".encode()
        line = ["docker", "build", "--quiet", "--tag", tag, "-"]
        subprocess.run(line, input=content, check=True, capture_output=True, env=environment, timeout=120)
        if self.name == "podman":
            archive = str(self._directory / "built.tar")
            subprocess.run(["docker", "save", "--output", archive, tag], check=True, timeout=120)
            podman("load", "--quiet", "--input", archive, timeout=300)
            os.unlink(archive)
        return tag

    def run(
        self,
        image: str,
        *command: str,
        options: GatedOptions | None = None,
        watch: Watch | None = None,
        **wishes: Any,
    ) -> AbstractContextManager[EngineRun]:
        with open_image(image, engines=[self.engine]) as opened:
            request = RunRequest(opened.config, "a-host", command, **wishes)
        return running_in_engine(self.engine, image, request, options or GatedOptions(), DirectFilesystem(), watch)

    def containers(self) -> list[str]:
        """The names of all containers that runs of cntr have."""
        return sorted(c.name for c in self.engine.containers() if c.name.startswith("cntr-run-"))

    def tags(self) -> list[str]:
        """The names of all images that runs of cntr have."""
        listed = self.command("images", "--format", "{{.Repository}}:{{.Tag}}").split()
        return sorted(tag for tag in listed if "cntr-run-" in tag)

    def clean(self) -> None:
        for tag in self._built:
            for engine in {"docker", self.name}:
                line = [engine, "rmi", "--force", tag]
                subprocess.run(line, check=False, capture_output=True, timeout=60)


@pytest.fixture(
    params=[
        pytest.param("docker", marks=pytest.mark.requires("docker")),
        pytest.param("podman", marks=pytest.mark.requires("podman", "runc")),
    ]
)
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """The engine; temporary files of runs are below the test's own directory."""
    spool = tmp_path / "spool"
    spool.mkdir()
    monkeypatch.setenv("TMPDIR", str(spool))
    if request.param == "podman":
        request.getfixturevalue("podman_settings")
    place = Place(DockerEngine() if request.param == "docker" else PodmanEngine(), tmp_path)
    yield place
    place.clean()


@pytest.fixture
def watch() -> Iterator[Watch]:
    """An observer of one run."""
    watch = Watch()
    yield watch
    watch.release()
