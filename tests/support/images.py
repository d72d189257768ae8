"""Images for tests, made on this machine from Debian packages: nothing is pulled from anywhere.

Archives are kept in the directory named by CNTR_TEST_CACHE (default /var/tmp/cntr-tests) under the hash of
their recipe: made once on each machine (``python -m tests.support.images`` makes them all) and again when the recipe
changes. They are OCI archives that old dockers load too; all but busybox share a layer. A test asks for a fixture::

    def test_something(nginx_archive: str) -> None: ...  # the path of an archive, for `oci` and `images`
    def test_other(docker_run: DockerRun) -> None:
        name = docker_run("nginx", "--memory=64m")  # a running container, removed after the test
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

_CORPUS = Path(__file__).resolve().parents[2] / "evaluation/corpus"


def recipes() -> list[str]:
    """The names of all images: the directories of evaluation/corpus/images."""
    return sorted(path.parent.name for path in _CORPUS.glob("images/*/image.toml"))


def cache_directory() -> str:
    """Where what is slow to make is kept between runs."""
    path = os.environ.get("CNTR_TEST_CACHE", "/var/tmp/cntr-tests")
    os.makedirs(path, exist_ok=True)
    return path


def recipe_hash(recipe: str) -> str:
    """Changes with the recipe, the files that it copies, and the program that builds it."""
    parts = [*_CORPUS.glob("*.py"), *(path for path in (_CORPUS / "images" / recipe).rglob("*") if path.is_file())]
    digest = hashlib.sha256()
    for path in sorted(parts):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(_CORPUS)} {path.stat().st_mode:o} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:12]


def archive(recipe: str) -> str:
    """The path of an OCI archive of one of the :func:`recipes` (see evaluation/corpus/build.py)."""
    path = os.path.join(cache_directory(), f"{recipe}-{recipe_hash(recipe)}.tar")
    if os.path.exists(path):
        return path
    if os.geteuid() != 0:
        pytest.skip("root makes the images: python -m tests.support.images")
    with open(os.path.join(cache_directory(), "corpus.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several test runs may share the cache, and all images the base
        if not os.path.exists(path):
            line = [sys.executable, str(_CORPUS / "build.py"), recipe, path, "--tag", docker_tag(recipe)]
            subprocess.run([*line, "--base", _base()], check=True, timeout=600)
    return path


def _base() -> str:
    """Where Debian's base is kept for all recipes."""
    with open(_CORPUS / "layers.py", "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()[:12]
    return os.path.join(cache_directory(), f"base-{digest}.layer")


def docker_tag(recipe: str) -> str:
    """The name under which docker knows the image; it stays loaded, as part of the cache."""
    return f"cntr-test/{recipe}:{recipe_hash(recipe)}"


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
    for each in recipes():
        print(archive(each))
