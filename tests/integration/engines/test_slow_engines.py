"""Daemons of busy machines, whose every answer takes seconds: they are waited for. Those that are not there are not."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
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
_SHORTER = 2.1
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


def test_attaching_waits_for_docker(tmp_path: Path, docker_run: DockerRun) -> None:
    name = docker_run("busybox")
    with _slow_docker(tmp_path, _DELAY) as there, ThreadPoolExecutor() as pool:

        def attached(form: str) -> subprocess.CompletedProcess[bytes]:
            return cntr("attach", form.format(name), "--", "echo", "here", env=there, timeout=_HANG)

        for done in pool.map(attached, ["{}", "docker://{}"]):
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
def test_slimming_waits_for_docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In containers of our own, and in those of docker."""
    images = {"slow-own": (), "slow-engine": ("--engine", "docker")}
    for name in images:
        subprocess.run(["docker", "tag", docker_image("busybox"), f"cntr-test/{name}:1"], check=True, timeout=60)
    monkeypatch.chdir(tmp_path)
    try:
        with _slow_docker(tmp_path, _SHORTER) as there, ThreadPoolExecutor() as pool:

            def slimmed(name: str) -> subprocess.CompletedProcess[bytes]:
                line = ("slim", f"cntr-test/{name}:1", "--timeout", "120", "--probe", "exec:busybox true")
                return cntr(*line, *images[name], env=there, timeout=_HANG)

            for name, done in zip(images, pool.map(slimmed, images), strict=True):
                assert done.returncode == 0, done.stderr
                assert f"docker run --detach --name={name}-slim cntr-test/{name}:1-slim" in done.stdout.decode()
    finally:
        names = [f"cntr-test/{name}:1{end}" for name in images for end in ("", "-slim", "-fat")]
        subprocess.run(["docker", "rmi", "--force", *names], capture_output=True, timeout=60)
