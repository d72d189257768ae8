"""``cntr cp`` beside ``docker cp``: the same words give the same files, or both refuse."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from cntr_core import Container, ContainerState
from cntr_core.copying import CopyOptions, copy_in, copy_out
from cntr_core.engine import running_process
from cntr_core.errors import CopyError
from tests.integration.copying.trees import Seen, make, seen
from tests.support.cntr import PROGRAM, docker_pid, environment

pytestmark = pytest.mark.requires("root", "docker", "docker-cli")

Outcome = tuple[bool, dict[str, Seen]]
"""Whether it went well, and what is there then."""

PROGRAMS = {"docker": ["docker", "cp"], "cntr": [PROGRAM, "cp"]}

SOURCES = ("file", "dir", "dir/.", "link", "dirlink/", "broken", "file/", "missing", "dir/sub/..", "a\nb\x1b[31m")
DESTINATIONS = ("other", "dir", "new", "new/", "link", "dirlink", "broken", "no/such", "")


@pytest.fixture(scope="module")
def container() -> Iterator[str]:
    from tests.support.images import docker_image

    name = f"cntr-test-cp-{uuid.uuid4().hex[:8]}"
    line = ["docker", "run", "--detach", "--name", name, docker_image("debian"), "sleep", "1000000"]
    subprocess.run(line, check=True, capture_output=True, timeout=120)
    yield name
    subprocess.run(["docker", "rm", "--force", name], check=True, capture_output=True, timeout=60)


@pytest.fixture
def root(container: str) -> Path:
    return Path(f"/proc/{docker_pid(container)}/root")


def _run(program: str, words: list[str], directory: Path) -> bool:
    """Whether it goes well. A call of ours, and not a command, for the engines take their time."""
    if program == "docker":
        line = ["docker", "cp", *words]
        return subprocess.run(line, cwd=directory, capture_output=True, timeout=60).returncode == 0
    source, destination = words[-2:]
    options = CopyOptions(follow="-L" in words)
    name = (source if ":" in source and not source.startswith(".") else destination).partition(":")[0]
    process = running_process(Container("docker", name, name, ContainerState.RUNNING, docker_pid(name)))
    with contextlib.chdir(directory):
        try:
            if source.startswith(f"{name}:"):
                copy_out(process, os.fsencode(source.partition(":")[2]), os.fsencode(destination), options)
            else:
                copy_in(process, os.fsencode(source), os.fsencode(destination.partition(":")[2]), options)
        except CopyError:
            return False
    return True


def _fresh(directory: Path) -> Path:
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    make(directory)
    return directory


def _cases(source: str) -> Iterator[tuple[list[str], str]]:
    """Options and destinations."""
    for destination in DESTINATIONS:
        yield [], destination
        if source in ("link", "dirlink", "broken"):
            yield ["-L"], destination


def _difference(docker: Outcome, cntr: Outcome) -> object:
    return docker[0], cntr[0], set(docker[1].items()) ^ set(cntr[1].items())


@pytest.mark.parametrize("source", SOURCES)
def test_into_a_container(container: str, root: Path, tmp_path: Path, source: str) -> None:
    make(tmp_path)
    different = []
    for follow, destination in _cases(source):
        outcomes = {}
        for program in PROGRAMS:
            place = _fresh(root / "srv/place")
            words = [*follow, source, f"{container}:srv/place/{destination}"]
            outcomes[program] = _run(program, words, tmp_path), seen(place)
        if outcomes["cntr"] != outcomes["docker"]:
            different.append((follow, destination, _difference(*outcomes.values())))
    assert not different


@pytest.mark.parametrize("source", SOURCES)
def test_out_of_a_container(container: str, root: Path, tmp_path: Path, source: str) -> None:
    _fresh(root / "srv/place")
    different = []
    for follow, destination in _cases(source):
        outcomes = {}
        for program in PROGRAMS:
            place = _fresh(tmp_path / "place")
            words = [*follow, f"{container}:/srv/place/{source}", destination or "."]
            outcomes[program] = _run(program, words, place), seen(place)
        if outcomes["cntr"] != outcomes["docker"]:
            different.append((follow, destination, _difference(*outcomes.values())))
    assert not different


@pytest.mark.parametrize("source", ["file", "dir", "dir/.", "link", "dirlink/", "dir/null"])
def test_a_tar_has_the_same_members(container: str, root: Path, source: str) -> None:
    _fresh(root / "srv/place")
    listings = []
    for program in PROGRAMS.values():
        line = [*program, f"{container}:/srv/place/{source}", "-"]
        tar = subprocess.run(line, capture_output=True, env=environment(), timeout=60, check=True)
        listing = subprocess.run(["tar", "tvf", "-"], input=tar.stdout, capture_output=True, check=True, timeout=60)
        listings.append(sorted(line.split(b" ", 1)[0] + line[40:] for line in listing.stdout.splitlines()))
    assert listings[0] == listings[1]


def test_a_tar_arrives_as_with_docker(container: str, root: Path, tmp_path: Path) -> None:
    make(tmp_path)
    for shape in ("--create", "--create --gzip", "--create --xz"):
        outcomes = []
        for program in PROGRAMS.values():
            place = _fresh(root / "srv/place")
            line = f"tar {shape} --owner=12 --group=34 dir file | {' '.join(program)} - {container}:/srv/place/empty"
            result = subprocess.run(line, shell=True, cwd=tmp_path, env=environment(), capture_output=True, timeout=60)
            assert result.returncode == 0, result.stderr
            owners = {(path.lstat().st_uid, path.lstat().st_gid) for path in (place / "empty").rglob("*")}
            outcomes.append((seen(place), owners))
        assert outcomes[0] == outcomes[1]
        assert outcomes[0][1] == {(12, 34)}
