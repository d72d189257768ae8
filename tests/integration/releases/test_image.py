"""The container image attaches to its host's containers, and slims, by the lines that the page shows."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.releases.conftest import ROOT
from tests.support.images import DockerRun, docker_image
from tests.support.podman import podman, podman_image
from tests.support.shown import shown_in

pytestmark = [
    pytest.mark.requires("root", "fuse", "docker", "docker-cli", "mmdebstrap", "gcc", "x86_64"),
    pytest.mark.timeout(600),  # the first time on a machine, packages are fetched
]


KEPT = "cntr-test/tools"
"""The stage with Debian's packages, which takes a minute to make; it stays, as part of the cache."""


def _build(context: Path, tag: str, *options: str) -> None:
    base = f"BASE={docker_image('debian')}"
    line = ["docker", "build", "--network", "host", "--build-arg", base, "--tag", tag, *options]
    containerfile = str(ROOT / "packaging/Containerfile")
    built = subprocess.run([*line, "--file", containerfile, context], capture_output=True, text=True, timeout=500)
    assert built.returncode == 0, built.stdout + built.stderr


@pytest.fixture(scope="module")
def image(released: Path) -> Iterator[str]:
    tag = f"cntr-test-release-{uuid.uuid4().hex[:12]}"
    _build(ROOT / "packaging", KEPT, "--target", "tools")
    _build(released, tag)
    yield tag
    subprocess.run(["docker", "rmi", tag], check=True, capture_output=True, timeout=60)


def _follow(engine: str, image: str, web: str, place: Path) -> None:
    """Do what the page shows of an engine, as it stands there, in the directory `place`."""
    page = (ROOT / "docs/how-to/install.md").read_text()
    part = page.partition("\n## Container image\n")[2].partition("\n## ")[0]
    lines = [shown for shown in shown_in(part) if shown.command.startswith(engine)]
    assert len(lines) == 2
    for shown in lines:
        command = (
            shown.command.replace(" cntr ", f" {image} ").replace("://web ", f"://{web} ").replace(" web)", f" {web})")
        )
        done = subprocess.run(["sh", "-c", f"{command} 2>&1"], cwd=place, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout
        assert not shown.lacking(done.stdout), done.stdout


def test_the_image_attaches_and_slims(image: str, released: Path, docker_run: DockerRun) -> None:
    _follow("docker", image, docker_run("nginx"), released)


@pytest.fixture
def podman_web(podman_settings: None) -> Iterator[str]:  # noqa: ARG001 - the environment
    name = f"cntr-test-{uuid.uuid4().hex[:12]}"
    podman("run", "--detach", "--name", name, podman_image("nginx"))
    yield name
    podman("rm", "--force", "--volumes", name)


@pytest.mark.requires("podman")
def test_the_image_does_so_for_podman(image: str, released: Path, podman_web: str) -> None:
    load = f"docker save {image} | podman load --quiet"
    subprocess.run(["bash", "-o", "pipefail", "-c", load], check=True, capture_output=True, timeout=200)
    try:
        _follow("podman", image, podman_web, released)
    finally:
        podman("rmi", "--force", image)
