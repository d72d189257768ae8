"""Daemons of busy machines, whose every answer takes seconds: they are waited for. Those that are not there are not."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.cntr import cntr, wait_until
from tests.support.containerd import Containerd
from tests.support.images import DockerRun, docker_image
from tests.support.podman import podman, podman_image
from tests.support.slow import slow

pytestmark = pytest.mark.requires("root", "docker", "docker-cli")
DOCKER = "/var/run/docker.sock"
_DELAY = 4.0
"""Seconds: three answers take more than an engine may be silent."""
_SHORTER = 2.5
"""Seconds, where there are many questions: more than engines have where another one answers."""
_HANG = 400


@contextmanager
def _podman_service(path: str) -> Iterator[None]:
    line = ["podman", "system", "service", "--time=0", f"unix://{path}"]
    with subprocess.Popen(line, stderr=subprocess.DEVNULL) as process:
        try:
            wait_until(lambda: os.path.exists(path), "podman serves")
            yield
        finally:
            process.terminate()


@contextmanager
def _slow_docker(directory: Path, delay: float) -> Iterator[dict[str, str]]:
    """The variables for a docker that is slow."""
    with slow(f"{directory}/slow.sock", DOCKER, delay):
        yield {"DOCKER_HOST": f"unix://{directory}/slow.sock", "CNTR_CACHE_DIR": f"{directory}/cache"}


@pytest.mark.parametrize("form", ["{}", "docker://{}"])
def test_attaching_waits_for_docker(tmp_path: Path, docker_run: DockerRun, form: str) -> None:
    name = docker_run("busybox")
    with _slow_docker(tmp_path, _DELAY) as there:
        done = cntr("attach", form.format(name), "--", "echo", "here", env=there, timeout=_HANG)
    assert (done.returncode, done.stdout) == (0, b"here\n"), done.stderr


@pytest.mark.requires("podman")
@pytest.mark.usefixtures("podman_settings")
def test_attaching_waits_for_podman(tmp_path: Path) -> None:
    name = podman("run", "--detach", podman_image("busybox")).strip()
    path, late = f"{tmp_path}/podman.sock", f"{tmp_path}/slow.sock"
    try:
        with _podman_service(path), slow(late, path, _DELAY):
            there = {"CONTAINER_HOST": f"unix://{late}"}
            done = cntr("attach", f"podman://{name}", "--", "echo", "here", env=there, timeout=_HANG)
        assert (done.returncode, done.stdout) == (0, b"here\n"), done.stderr
    finally:
        podman("rm", "--force", "--time=0", name)


@pytest.mark.requires("containerd", "runc")
def test_attaching_waits_for_containerd(tmp_path: Path, containerd: Containerd) -> None:
    containerd.run("slow")
    with slow(f"{tmp_path}/slow.sock", containerd.socket, _DELAY):
        there = {"CONTAINERD_ADDRESS": f"{tmp_path}/slow.sock"}
        done = cntr("attach", "containerd://slow", "--", "echo", "here", env=there, timeout=_HANG)
        assert (done.returncode, done.stdout) == (0, b"here\n"), done.stderr


@pytest.mark.requires("fuse", "busybox", "runc")
@pytest.mark.parametrize("options", [(), ("--engine", "docker")], ids=["own containers", "containers of docker"])
def test_slimming_waits_for_docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]) -> None:
    image = "cntr-test/slow:1"
    subprocess.run(["docker", "tag", docker_image("busybox"), image], check=True, timeout=60)
    monkeypatch.chdir(tmp_path)
    try:
        line = ("slim", image, "--timeout", "120", "--probe", "exec:busybox true", *options)
        with _slow_docker(tmp_path, _SHORTER) as there:
            done = cntr(*line, env=there, timeout=_HANG)
        assert done.returncode == 0, done.stderr
        assert b"docker run --detach --name=slow-slim cntr-test/slow:1-slim" in done.stdout
    finally:
        names = [image, f"{image}-slim", f"{image}-fat"]
        subprocess.run(["docker", "rmi", "--force", *names], capture_output=True, timeout=60)
