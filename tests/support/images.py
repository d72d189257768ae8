"""Images for tests, made on this machine from Debian packages: nothing is pulled from anywhere.

Archives are kept in the directory named by CNTR_TEST_CACHE (default /var/tmp/cntr-tests) under the hash of
their recipe: made once on each machine (``python -m tests.support.images`` makes them all) and again when the recipe
changes. They are OCI archives that old dockers load too; all but busybox share a layer. The corpus of the evaluation
has many more images, which no test makes. A test asks for a fixture::

    def test_something(nginx_archive: str) -> None: ...  # the path of an archive, for `oci` and `images`
    def test_other(docker_run: DockerRun) -> None:
        name = docker_run("nginx", "--memory=64m")  # a running container, removed after the test
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from evaluation.corpus.recipes import fingerprint

_CORPUS = Path(__file__).resolve().parents[2] / "evaluation/corpus"
RECIPES = (
    "busybox",
    "debian",
    "flask",
    "nginx",
    "node",
    "node-exporter",
    "postgres",
    "python",
    "redis",
    "tomcat",
)
"""Those of evaluation/corpus/images that tests use."""


def cache_directory() -> str:
    """Where what is slow to make is kept between runs."""
    path = os.environ.get("CNTR_TEST_CACHE", "/var/tmp/cntr-tests")
    os.makedirs(path, exist_ok=True)
    return path


def archive(recipe: str) -> str:
    """The path of an OCI archive of one of the :data:`RECIPES` (see evaluation/corpus/build.py)."""
    path = os.path.join(cache_directory(), f"{recipe}-{fingerprint(recipe)}.tar")
    if os.path.exists(path):
        return path
    if os.geteuid() != 0:
        pytest.skip("root makes the images: python -m tests.support.images")
    with open(os.path.join(cache_directory(), "corpus.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several test runs may share the cache, and all images the base
        if not os.path.exists(path):
            line = [sys.executable, str(_CORPUS / "build.py"), recipe, path, "--tag", docker_tag(recipe)]
            subprocess.run([*line, "--cache", os.path.join(cache_directory(), "layers")], check=True, timeout=900)
    return path


def docker_tag(recipe: str) -> str:
    """The name under which docker knows the image; it stays loaded, as part of the cache."""
    return f"cntr-test/{recipe}:{fingerprint(recipe)}"


def docker_image(recipe: str) -> str:
    """Load the image into docker where it is missing, and give its name."""
    tag = docker_tag(recipe)
    known = subprocess.run(["docker", "image", "inspect", tag], capture_output=True, timeout=60)
    if known.returncode != 0:
        subprocess.run(["docker", "load", "--quiet", "--input", archive(recipe)], check=True, timeout=300)
    return tag


class DockerRun(Protocol):
    """Starts a container, gives its name: ``docker_run("debian", "--user=1000", command=("sleep", "9"))``."""

    def __call__(self, recipe: str, *options: str, command: tuple[str, ...] = ()) -> str: ...


@pytest.fixture(scope="session")
def busybox_archive() -> str:
    """FROM scratch: /bin/busybox and nothing else; entrypoint busybox, command ``sleep 1000000``."""
    return archive("busybox")


@pytest.fixture(scope="session")
def debian_archive() -> str:
    """Debian minbase; command ``bash``. Neither ps nor curl nor a debugger."""
    return archive("debian")


@pytest.fixture(scope="session")
def nginx_archive() -> str:
    """Debian minbase with nginx on port 80; stop signal SIGQUIT."""
    return archive("nginx")


@pytest.fixture
def docker_run() -> Iterator[DockerRun]:
    """Start containers that are removed after the test."""
    started: list[str] = []

    def run(recipe: str, *options: str, command: tuple[str, ...] = ()) -> str:
        name = f"cntr-test-{uuid.uuid4().hex[:12]}"
        started.append(name)
        tag = docker_image(recipe)
        line = ["docker", "run", "--detach", "--name", name, *options, tag, *command]
        subprocess.run(line, check=True, stdout=subprocess.DEVNULL, timeout=120)
        return name

    yield run
    for name in started:
        remove = ["docker", "rm", "--force", "--volumes", name]
        subprocess.run(remove, check=False, capture_output=True, timeout=60)


if __name__ == "__main__":
    for each in RECIPES:
        print(archive(each))
