"""Podman for tests: settings with which it works on machines like this one, and the images of tests.support.images."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator

import pytest

from tests.support.images import archive, docker_tag

# crun 1.8 refuses hosts with both cgroup hierarchies; without CAP_SYS_RESOURCE podman asks for more than there is.
_SETTINGS = """\
[containers]
default_ulimits = ["nofile=1024:2048", "nproc=1024:2048"]
[engine]
runtime = "runc"
"""


@contextlib.contextmanager
def podman_environment(directory: str) -> Iterator[None]:
    """Podman, and whatever starts it, has these settings within the block; `directory` is for their file."""
    path = f"{directory}/containers.conf"
    with open(path, "w") as file:
        file.write(_SETTINGS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONTAINERS_CONF", path)
        patch.delenv("CONTAINER_HOST", raising=False)
        yield


@pytest.fixture
def podman_settings(tmp_path: os.PathLike[str]) -> Iterator[None]:
    """:func:`podman_environment` for the test."""
    with podman_environment(os.fspath(tmp_path)):
        yield


def podman(*arguments: str, timeout: float = 120) -> str:
    """What a podman command prints."""
    line = ["podman", *arguments]
    return subprocess.run(line, check=True, capture_output=True, text=True, timeout=timeout).stdout


def podman_image(recipe: str) -> str:
    """Load an image of tests.support.images into podman where it is missing, and give its name; it stays loaded."""
    tag = docker_tag(recipe)
    if subprocess.run(["podman", "image", "exists", tag], timeout=60).returncode != 0:
        podman("load", "--quiet", "--input", archive(recipe), timeout=300)
    return tag
