"""Real applications, slimmed: they do on the slim image what they do on the whole one, started by whatever engine."""

from __future__ import annotations

import json
import os
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from cntr_core.images import open_image
from tests.integration.slim.applications import APPLICATIONS, LIMIT, PAGES, Inside, Pair, make_pair

pytestmark = pytest.mark.requires("root", "fuse", "overlayfs", "runc", "mmdebstrap", "curl")
BY_NAME = {application.recipe: application for application in APPLICATIONS}


@pytest.fixture(scope="module")
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """One of the applications, slimmed once for all tests."""
    return make_pair(request.param, tmp_path_factory.mktemp(request.param.recipe))


def each(*names: str) -> pytest.MarkDecorator:
    """The test is for these applications; without names for all."""
    wanted = [application for application in APPLICATIONS if not names or application.recipe in names]
    return pytest.mark.parametrize("pair", wanted, indirect=True, ids=str)


@each()
def test_it_works_in_the_embedded_engine(pair: Pair) -> None:
    with pair.running() as inside:
        pair.application.workload(inside)


@each()
@pytest.mark.requires("docker", "docker-cli")
def test_it_works_in_docker(pair: Pair) -> None:
    with in_docker(pair) as inside:
        pair.application.workload(inside)


@each()
def test_joining_gives_the_original_back(pair: Pair) -> None:
    done = pair.slim.cntr("join", "out.tar:app:slim", "-o", "whole.tar", "--name", "whole:1", timeout=LIMIT)
    assert done.returncode == 0, done.stderr
    with open_image(pair.original) as original, open_image(f"{pair.slim.place}/whole.tar:whole:1") as whole:
        assert whole.config.raw == original.config.raw
        assert [layer.diff_id for layer in whole.layers] == [layer.diff_id for layer in original.layers]
        assert len(whole.layers) > 1
    (pair.slim.place / "whole.tar").unlink()


@each()
def test_files_are_removed_and_nothing_else(pair: Pair) -> None:
    done = pair.slim.cntr("diff", pair.original, "out.tar:app:slim", "--json", timeout=LIMIT)
    changes = json.loads(done.stdout)
    others = [change["path"] for change in changes if change["kind"] != "removed"]
    assert others in ([], ["/var/lib/dpkg/status"]), "the list of packages alone is shorter"
    assert len(changes) > 1000


@each()
@pytest.mark.parametrize("engine", ["docker", "podman"])
@pytest.mark.requires("docker", "docker-cli", "podman")
@pytest.mark.usefixtures("podman_settings")
def test_it_works_when_it_was_slimmed_in_an_engine(pair: Pair, engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(pair.slim.environment, "CONTAINERS_CONF", os.environ["CONTAINERS_CONF"])
    line = ["slim", pair.original, *pair.application.options, "--engine", engine, "-o", "engine.tar"]
    names = ("--slim-name", "app:slim", "--fat-name", "app:fat")
    done = pair.slim.cntr(*line, *names, "--report", "engine", timeout=LIMIT)
    assert done.returncode == 0, (done.stdout, done.stderr)
    with pair.running("engine.tar:app:slim") as inside:
        pair.application.workload(inside)


@each("redis", "nginx")
def test_the_same_trace_gives_the_same_digests(pair: Pair) -> None:
    digests = []
    for number in range(2):
        line = ["slim", pair.original, *pair.application.options, "-o", f"again{number}.tar", "--report", "again"]
        line += ["--slim-name", "app:slim", "--fat-name", "app:fat", "--trace", "report/trace.jsonl.zst"]
        done = pair.slim.cntr(*line, timeout=LIMIT)
        assert done.returncode == 0, done.stderr
        halves = []
        for half in ("slim", "fat"):
            with open_image(f"{pair.slim.place}/again{number}.tar:app:{half}") as image:
                halves.append([layer.diff_id for layer in image.layers])
        digests.append(halves)
    assert digests[0] == digests[1]


@each("flask")
def test_what_the_probes_did_not_ask_for_is_served_from_the_fat_half(pair: Pair) -> None:
    expected = answers(pair, pair.original)
    alone = answers(pair)
    assert {status for status, _ in expected} == {"200"}
    differing = [path for path, one, other in zip(PAGES, expected, alone, strict=True) if one != other]
    # Modules that pages import in their functions are kept by a rule; a program that one starts is not.
    assert differing == ["/calculate?sum=2^100"]
    assert alone[:2] == expected[:2]

    misses = pair.slim.place / "misses"
    assert answers(pair, "out.tar:app:slim", "--fallback", "--misses", str(misses)) == expected
    assert "/usr/bin/bc" in misses.read_text().splitlines()


@each("flask")
def test_what_was_missed_is_learned(pair: Pair) -> None:
    misses = pair.slim.place / "learned"
    answers(pair, "out.tar:app:slim", "--fallback", "--misses", str(misses))
    line = ["slim", pair.original, *pair.application.options, "--include-from", str(misses), "-o", "wider.tar"]
    done = pair.slim.cntr(*line, "--slim-name", "app:slim", "--fat-name", "app:fat", "--report", "wider", timeout=LIMIT)
    assert done.returncode == 0, done.stderr
    assert answers(pair, "wider.tar:app:slim") == answers(pair, pair.original)


@each("flask")
def test_a_slim_image_that_fails_further_probes_is_repaired(pair: Pair) -> None:
    line = ["slim", pair.original, *pair.application.options, "-o", "repaired.tar", "--report", "repaired"]
    line += [word for path in PAGES for word in ("--verify-probe", f"http:8000{path}")]
    done = pair.slim.cntr(*line, "--slim-name", "app:slim", "--fat-name", "app:fat", timeout=LIMIT)
    assert done.returncode == 0, (done.stdout, done.stderr)
    report = json.loads((pair.slim.place / "repaired/report.json").read_text())
    assert report["verified"] and report["repairs"]
    assert answers(pair, "repaired.tar:app:slim") == answers(pair, pair.original)


def answers(pair: Pair, image: str = "out.tar:app:slim", *options: str) -> list[tuple[str, str]]:
    """Status and body of all pages of flask, in a container of its own."""
    with pair.running(image, *options) as inside:
        inside.wait_for(8000)
        return inside.pages(8000, PAGES)


@contextmanager
def in_docker(pair: Pair) -> Iterator[Inside]:
    """A container of docker, of a slim image that was put there; all of it is removed afterwards."""
    name = f"cntr-test-{uuid.uuid4().hex[:12]}"
    line = ["slim", pair.original, *pair.application.options, "-o", f"docker://{name}:slim", "--no-verify"]
    try:
        names = ("--slim-name", f"{name}:slim", "--fat-name", f"{name}:fat")
        done = pair.slim.cntr(*line, *names, "--report", "docker", timeout=LIMIT)
        assert done.returncode == 0, done.stderr
        docker("run", "--detach", "--name", name, f"{name}:slim")
        yield Inside(pair.slim, f"docker://{name}", pair.original)
    finally:
        docker("rm", "--force", "--volumes", name, check=False)
        docker("rmi", f"{name}:slim", f"{name}:fat", check=False)


def docker(*arguments: str, check: bool = True) -> None:
    subprocess.run(["docker", *arguments], check=check, capture_output=True, timeout=LIMIT)
