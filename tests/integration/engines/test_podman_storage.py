"""Podman's service is not started for what podman's storage does not list."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from cntr_plugins.engines.podman.engine import PodmanEngine

from tests.support.podman import podman, podman_image

pytestmark = pytest.mark.requires("root", "podman", "runc", "busybox")


@pytest.fixture
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Is there once podman was run by its name."""
    told, program = tmp_path / "started", tmp_path / "bin" / "podman"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\n: > {told}\nexec {shutil.which("podman")} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.delenv("SUDO_UID", raising=False)
    return told


@pytest.fixture
def running(podman_settings: None, tmp_path: Path) -> Iterator[tuple[str, str]]:  # noqa: ARG001 - the environment
    """The name and the id of a container that has been renamed."""
    name = f"cntr-storage-{os.getpid()}"
    identifier = podman("run", "--detach", "--rm", "--name", f"{name}-before", podman_image("busybox")).strip()
    podman("rename", f"{name}-before", name)
    yield name, identifier
    podman("rm", "--force", "--time", "0", name)


def test_it_is_started_for_what_may_be_there_alone(running: tuple[str, str], started: Path) -> None:
    name, identifier = running
    engine = PodmanEngine()
    for absent in (f"{name}-before", f"{name}-not", name[:-1], identifier[1:20]):
        assert list(engine.find(absent)) == []
    assert not started.exists()
    for present in (name, f"/{name}", identifier, identifier[:8]):
        assert [one.id for one in engine.find(present)] == [identifier]
        started.unlink(missing_ok=True)  # it may run by itself
    assert name in [one.name for one in engine.containers()]
