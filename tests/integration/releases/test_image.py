"""The container image attaches to its host's containers, and slims, by the lines that the page shows."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.releases.conftest import ROOT
from tests.support.images import DockerRun, docker_image
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


@pytest.fixture
def image(released: Path) -> Iterator[str]:
    tag = f"cntr-test-release-{uuid.uuid4().hex[:12]}"
    _build(ROOT / "packaging", KEPT, "--target", "tools")
    _build(released, tag)
    yield tag
    subprocess.run(["docker", "rmi", tag], check=True, capture_output=True, timeout=60)


def test_the_image_attaches_and_slims(image: str, released: Path, docker_run: DockerRun) -> None:
    page = (ROOT / "docs/how-to/install.md").read_text()
    part = page.partition("\n## Container image\n")[2].partition("\n## ")[0]
    web = docker_run("nginx")
    lines = list(shown_in(part))
    assert len(lines) == 2
    for shown in lines:
        command = shown.command.replace(" cntr ", f" {image} ").replace("docker://web", f"docker://{web}")
        done = subprocess.run(
            ["sh", "-c", f"{command} 2>&1"], cwd=released, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stdout
        assert not shown.lacking(done.stdout), done.stdout
