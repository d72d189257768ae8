"""``cntr slim --batch`` as an operator uses it: some fail, some are interrupted, workers die; nothing is lost."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cntr_core.images import open_image
from tests.integration.images.conftest import serving
from tests.integration.slim.conftest import MakeApp, Slim
from tests.support.cntr import PROGRAM, children, wait_until

pytestmark = pytest.mark.requires("root", "fuse", "overlayfs", "runc", "busybox")

LONG = 120


@pytest.fixture
def images(app: MakeApp, slim: Slim) -> Path:
    """Two images of one name, ``one/web`` and ``two/web``; their words are how long they run, and how they end."""
    made = app("sleep $1; exit $2", Cmd=["0", "0"])
    for folder in ("one", "two"):
        shutil.copytree(made, slim.place / folder / "web")
    return slim.place


def _batch(slim: Slim, lines: str, *options: str, code: int = 0) -> list[dict[str, Any]]:
    """The images of a batch's report, which is the same on stdout and in its file."""
    (slim.place / "images").write_text(lines)
    line = ("slim", "--batch", "images", "--probe", "exit", "--no-rule", "application", "--json")
    done = slim.cntr(*line, "-o", "out", *options, timeout=LONG)
    assert done.returncode == code, done.stderr
    told = json.loads(done.stdout)
    assert told == json.loads((slim.place / "images-batch/batch.json").read_text())
    return told["images"]  # type: ignore[no-any-return]  # JSON


def _pairs_are_there(place: Path, entries: list[dict[str, Any]]) -> None:
    """Each image has one archive, with the images of the digests that the report tells, and a report of its own."""
    assert sorted(os.listdir(place / "out")) == sorted(Path(one["destination"]).name for one in entries)
    for one in entries:
        for half in ("slim", "fat"):
            with open_image(f"{one['destination']}:web:{half}") as image:
                assert image.digest == one[half]
        assert (
            json.loads((place / one["report"] / "report.json").read_text())["digest"] == one["source"] or one["source"]
        )


def test_one_that_fails_stops_no_other_and_is_done_when_resumed(slim: Slim, images: Path) -> None:
    lines = "one/web\ntwo/web\nthree/web\none/web\n"
    first = _batch(slim, lines, "--jobs", "2", code=125)
    assert [one["status"] for one in first] == ["slimmed", "slimmed", "failed"]
    assert (first[2]["tries"], first[2]["error"]["code"]) == (2, "image")
    _pairs_are_there(images, first[:2])
    made = {one["destination"]: os.stat(one["destination"]).st_mtime_ns for one in first[:2]}
    (images / "three").mkdir()
    (images / "two/web").rename(images / "three/web")
    shutil.copytree(images / "one/web", images / "two/web")
    second = _batch(slim, lines, "--resume")
    assert [one["status"] for one in second] == ["unchanged", "unchanged", "slimmed"]
    assert {path: os.stat(path).st_mtime_ns for path in made} == made
    os.unlink(second[0]["destination"])
    (images / "two/web/index.json").write_text((images / "two/web/index.json").read_text() + "\n")
    third = _batch(slim, lines, "--resume")
    assert [one["status"] for one in third] == ["slimmed", "slimmed", "unchanged"]
    _pairs_are_there(images, third)
    assert [one["slim"] for one in third] == [one["slim"] for one in second], "the same images, the same digests"


def test_an_interrupt_ends_all_and_the_batch_can_go_on(slim: Slim, images: Path) -> None:
    lines = "one/web\ntwo/web 5 0\n"
    (images / "images").write_text(lines)
    options = ("--probe", "exit", "--no-rule", "application", "-o", "out", "--jobs", "2")
    process = slim.popen("slim", "--batch", "images", *options)
    try:
        wait_until(lambda: (images / "out/web-slim.tar").exists() or any((images / "out").glob("web-*-slim.tar")), 60)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    finally:
        process.kill()
        process.communicate()
    wait_until(lambda: not _jobs_below(slim.place), 30)
    told = json.loads((images / "images-batch/batch.json").read_text())["images"]
    assert [one["status"] for one in told][1] == "waiting"
    entries = _batch(slim, lines, "--resume")
    assert entries[1]["status"] == "slimmed"
    _pairs_are_there(images, entries)


def _jobs_below(place: Path) -> list[str]:
    """Processes of jobs that work in `place`."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.readlink(f"/proc/{pid}/cwd") == str(place):
                found.append(pid)
        except OSError:
            continue
    return found


@pytest.mark.requires("docker-registry")
@pytest.mark.usefixtures("images")
def test_each_index_does_its_own_image_from_registry_to_registry(
    slim: Slim, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with serving(tmp_path_factory.mktemp("registry")) as registry:
        for name in ("one", "two"):
            target = ("-o", f"registry://{registry.host}/{name}:1")
            done = slim.cntr("slim", f"{name}/web", "--probe", "exit", "--no-rule", "application", *target)
            assert done.returncode == 0, done.stderr
        lines = "".join(f"registry://{registry.host}/{name}:1\n" for name in ("one", "two"))
        for index in ("0", "1"):
            [entry] = _batch(slim, lines, "--index", index, "-o", f"registry://{registry.host}/small")
            assert entry["destination"] == f"registry://{registry.host}/small/{('one', 'two')[int(index)]}:1-slim"
            with open_image(entry["destination"]) as image:
                assert image.digest == entry["slim"]
        [entry] = _batch(slim, lines, "--index", "1", "-o", f"registry://{registry.host}/small", "--resume")
        assert entry["status"] == "unchanged"


@contextmanager
def _dask(slim: Slim, place: Path, part: str, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """A scheduler or worker, whose jobs leave nothing in the directory for temporary files, either."""
    with open(place / f"{part}.log", "ab") as log:
        line = [os.path.join(os.path.dirname(PROGRAM), "dask"), part, *options]
        env = {**slim.environment, "DASK_TEMPORARY_DIRECTORY": str(place)}  # for its own, which stay
        process = subprocess.Popen(line, cwd=place, env=env, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def _scheduler(slim: Slim, place: Path) -> Iterator[str]:
    file = place / "scheduler.json"
    options = ("--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--no-show", "--scheduler-file", str(file))
    with _dask(slim, place, "scheduler", *options):
        wait_until(lambda: file.exists() and file.stat().st_size > 0, 60)
        yield json.loads(file.read_text())["address"]


WORKER = ("--nthreads", "1", "--no-nanny", "--no-dashboard", "--host", "127.0.0.1")


@pytest.mark.requires("dask")
def test_a_worker_that_dies_loses_nothing_and_nothing_is_done_twice(slim: Slim, images: Path, tmp_path: Path) -> None:
    lines = "one/web\none/web 2 0\ntwo/web 2 0\ntwo/web 2 1\n"
    with _scheduler(slim, tmp_path) as address:
        resource = ("--resources", "slim=1")
        with (
            _dask(slim, tmp_path, "worker", address, *WORKER, *resource, "--local-directory", "first") as first,
            _dask(slim, tmp_path, "worker", address, *WORKER, *resource, "--local-directory", "second"),
        ):
            (images / "images").write_text(lines)
            options = ("--probe", "exit", "--no-rule", "application", "-o", "out", "--json", "--scheduler", address)
            wait_until(lambda: (tmp_path / "worker.log").read_text().count("Registered to") == 2, 60)
            running = slim.popen("slim", "--batch", "images", *options)
            wait_until(lambda: bool(children(first.pid)), 60)
            first.kill()
            stdout, stderr = running.communicate(timeout=LONG)
    assert running.returncode == 125, stderr.decode()
    told = json.loads(stdout)["images"]
    assert told == json.loads((images / "images-batch/batch.json").read_text())["images"]
    assert [one["status"] for one in told] == ["slimmed", "slimmed", "slimmed", "failed"]
    assert "code 1" in told[3]["error"]["message"]
    assert len({one["worker"] for one in told[1:]}) == 1, "the other worker did the rest"
    assert stderr.decode().count(" of 4: ") == 4, "each is told once"
    _pairs_are_there(images, told[:3])
    assert not _jobs_below(slim.place)


@pytest.mark.requires("dask")
def test_a_scheduler_whose_workers_take_no_images_is_told(slim: Slim, images: Path, tmp_path: Path) -> None:
    with _scheduler(slim, tmp_path) as address:
        (images / "images").write_text("one/web\n")
        done = slim.cntr("slim", "--batch", "images", "--scheduler", address)
    assert (done.returncode, done.stdout) == (125, "")
    assert f"none of 0 workers of {address} has the resource slim" in done.stderr


@pytest.mark.requires("dask")
def test_a_batch_whose_last_worker_died_says_so_and_goes_on_with_another(
    slim: Slim, images: Path, tmp_path: Path
) -> None:
    with _scheduler(slim, tmp_path) as address:
        options = (address, *WORKER, "--resources", "slim=1", "--local-directory")
        (images / "images").write_text("two/web 2 0\n")
        with _dask(slim, tmp_path, "worker", *options, "first") as first:
            wait_until(lambda: "Registered to" in (tmp_path / "worker.log").read_text(), 60)
            running = slim.popen(
                "slim", "--batch", "images", "--probe", "exit", "--no-rule", "application", "-o", "out",
                "--scheduler", address,
            )  # fmt: skip
            wait_until(lambda: bool(children(first.pid)), 60)
            first.kill()
        assert running.stderr
        assert running.stderr.readline().decode() == (
            f"cntr: waiting: none of 0 workers of {address} has the resource slim\n"
        )
        with _dask(slim, tmp_path, "worker", *options, "second"):
            _, stderr = running.communicate(timeout=LONG)
    assert running.returncode == 0, stderr.decode()
    assert not _jobs_below(slim.place)
