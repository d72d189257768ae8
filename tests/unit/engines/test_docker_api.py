"""The engines docker and podman on what other versions answer."""

from __future__ import annotations

import os

import pytest
from cntr_plugins.engines.docker.engine import DockerEngine
from cntr_plugins.engines.podman.engine import PodmanEngine

from cntr_core import ContainerState
from cntr_core.errors import EngineError
from tests.unit.engines.http import recorded, serving_json


@pytest.mark.parametrize(
    ("name", "variable", "version"),
    [
        ("docker-24", "DOCKER_HOST", "24.0.9"),
        ("docker-28", "DOCKER_HOST", "28.0.4"),
        ("podman-5", "CONTAINER_HOST", "5.4.2"),
    ],
)
def test_other_versions(
    tmp_path: os.PathLike[str], monkeypatch: pytest.MonkeyPatch, name: str, variable: str, version: str
) -> None:
    path = f"{tmp_path}/socket"
    monkeypatch.setenv(variable, f"unix://{path}")
    engine = DockerEngine() if variable == "DOCKER_HOST" else PodmanEngine()
    with serving_json(path, recorded(f"docker/{name}.json")):
        assert engine.status().detail == f"version {version}"
        listed = list(engine.containers())
        [exited] = engine.find("bbbb")
        with pytest.raises(EngineError, match=r"process 4711 for shop-web-1, which is another process"):
            engine.find("shop-web-1")  # its PID is read, and is nobody of this machine
    assert {c.name: c.state for c in listed} == {
        "shop-web-1": ContainerState.RUNNING,
        "shop-job-1": ContainerState.EXITED,
        "shop-db-1": ContainerState.PAUSED,
        "shop-new-1": ContainerState.CREATED,
    }
    assert (exited.name, exited.image, exited.pid) == ("shop-job-1", "registry.example/web:1.2", None)
    assert exited.labels == {"com.docker.compose.project": "shop"}


def test_an_answer_that_is_nested_too_deeply(tmp_path: os.PathLike[str], monkeypatch: pytest.MonkeyPatch) -> None:
    path = f"{tmp_path}/socket"
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    answers = {name: b"[" * 100_000 for name in recorded("docker/docker-28.json") if name.endswith("/containers/json")}
    with (
        serving_json(path, recorded("docker/docker-28.json") | answers),
        pytest.raises(EngineError, match="docker's answer cannot be understood"),
    ):
        list(DockerEngine().containers())


def test_a_container_that_is_removed_while_it_is_looked_up(
    tmp_path: os.PathLike[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"{tmp_path}/socket"
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    listing = {name: told for name, told in recorded("docker/docker-28.json").items() if name.count("/") < 4}
    with serving_json(path, listing):
        assert "shop-job-1" in {container.name for container in DockerEngine().containers()}
        assert list(DockerEngine().find("shop-job-1")) == []
