"""The built-in engines keep the contract that is shipped for authors of others."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator

import pytest
from cntr_plugins.engines.docker.engine import DockerEngine
from cntr_plugins.engines.pid import PidEngine
from cntr_plugins.engines.podman.engine import PodmanEngine

from cntr_core import Engine
from cntr_core.plugins import load
from cntr_core.testing import EngineContract
from tests.support.children import child
from tests.support.cntr import output
from tests.support.images import DockerRun
from tests.support.podman import podman, podman_image


@pytest.mark.requires("root", "docker", "docker-cli", "busybox")
class TestDocker(EngineContract):
    @pytest.fixture
    def engine(self) -> Engine:
        return DockerEngine()

    @pytest.fixture
    def running(self, docker_run: DockerRun) -> str:
        return docker_run("busybox")

    @pytest.fixture
    def absent(self, monkeypatch: pytest.MonkeyPatch) -> Engine:
        monkeypatch.setenv("DOCKER_HOST", "unix:///no/such.sock")
        return DockerEngine()


@pytest.mark.requires("root", "podman", "runc", "busybox")
class TestPodman(EngineContract):
    """With no service at work but the one that the engine starts."""

    @pytest.fixture
    def engine(self, podman_settings: None) -> Engine:  # noqa: ARG002 - it sets the environment
        return PodmanEngine()

    @pytest.fixture
    def running(self, podman_settings: None) -> Iterator[str]:  # noqa: ARG002 - as above
        name = f"contract-{uuid.uuid4().hex[:8]}"
        podman("run", "--detach", "--name", name, podman_image("busybox"))
        yield name
        podman("rm", "--force", "--time", "0", name)

    @pytest.fixture
    def absent(self, monkeypatch: pytest.MonkeyPatch) -> Engine:
        monkeypatch.setenv("CONTAINER_HOST", "unix:///no/such.sock")
        return PodmanEngine()


class TestPid(EngineContract):
    lists = False

    @pytest.fixture
    def engine(self) -> Engine:
        return PidEngine()

    @pytest.fixture
    def running(self) -> Iterator[str]:
        with child() as pid:
            yield str(pid)


@pytest.mark.requires("root", "runc", "mmdebstrap", "busybox")
class TestOci(EngineContract):
    @pytest.fixture
    def engine(self) -> Engine:
        return next(engine for engine in load().engines if engine.name == "oci")

    @pytest.fixture
    def running(
        self, busybox_archive: str, tmp_path: os.PathLike[str], monkeypatch: pytest.MonkeyPatch
    ) -> Iterator[str]:
        monkeypatch.setenv("CNTR_STATE_DIR", os.fspath(tmp_path))
        name = f"contract-{uuid.uuid4().hex[:8]}"
        output("run", "--detach", "--name", name, busybox_archive)
        yield name
        output("stop", "--timeout", "0", name)
