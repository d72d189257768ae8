"""What a user may do by mistake, and what must not come of it."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from tests.integration.slim.conftest import MakeApp, Slim
from tests.support.cntr import PROGRAM
from tests.unit.images.layouts import file

pytestmark = pytest.mark.requires("root", "fuse", "overlayfs", "runc", "busybox")
SLIM, FAT = "out.tar:app:slim", "out.tar:app:fat"


@pytest.fixture
def pair(slim: Slim, app: MakeApp) -> Path:
    """A slimmed application, whose program shows a file that is in its fat half alone."""
    image = app('test -z "$1" || cat "$1"', file("data/extra", b"extra"))
    return slim.made(image, "--probe", "exit").archive


def test_no_result_takes_the_place_of_what_it_was_made_from(slim: Slim, pair: Path) -> None:
    before = pair.read_bytes()
    for command in (("slim", SLIM, "--probe", "exit"), ("join", SLIM), ("join", SLIM, FAT)):
        done = slim.cntr(*command, "-o", "../slim/out.tar")
        assert done.returncode == 125 and "would be overwritten" in done.stderr and "hint" in done.stderr, done.stderr
        assert pair.read_bytes() == before


def test_a_place_that_cannot_be_written_is_told_before_anything_runs(slim: Slim, app: MakeApp) -> None:
    image = app("sleep 100")
    for command in (("slim", image, "--probe", "exit"), ("join", image)):
        done = slim.cntr(*command, "-o", "/proc/out.tar")
        assert done.returncode == 125 and "/proc cannot be written" in done.stderr and "hint" in done.stderr


def test_a_result_stays_where_nobody_reads_the_report(slim: Slim, app: MakeApp) -> None:
    line = ["bash", "-c", 'set -o pipefail; "$@" | head -n 1', "-", PROGRAM, "slim", app("true"), "-o", "out.tar"]
    done = subprocess.run(line, cwd=slim.place, env=slim.environment, capture_output=True, timeout=60)
    assert (done.returncode, done.stderr) == (141, b"")
    assert (slim.place / "out.tar").exists()


@pytest.mark.parametrize("option", ["--probe", "--verify-probe", "--until"])
@pytest.mark.parametrize(
    "word", ["openapi:/x=y", "http:/x=20", "script:/none", "script:/etc/passwd", "manual", "tcp:0"]
)
def test_a_probe_that_cannot_work_is_told_before_anything_is_opened(slim: Slim, option: str, word: str) -> None:
    done = slim.cntr("slim", "/no/image", option, word)
    assert done.returncode == 125 and "image" not in done.stderr and "hint" in done.stderr, done.stderr


@pytest.mark.usefixtures("pair")
def test_a_container_on_both_halves_is_removed_when_it_ends(slim: Slim) -> None:
    done = slim.cntr("run", "--rm", "--fallback", "--name", "web", SLIM, "--", "/data/extra")
    assert (done.returncode, done.stdout) == (0, "extra"), done.stderr
    assert not (slim.place / "state/web").exists()
    kept = slim.cntr("run", "--fallback", "--name", "web", SLIM, "--", "/data/extra")
    assert (kept.returncode, kept.stdout) == (0, "extra"), kept.stderr
    assert slim.cntr("stop", "web").returncode == 0
    detached = slim.cntr("run", "--rm", "--detach", "--fallback", "--name", "web", SLIM, "--", "/data/extra")
    assert detached.returncode == 0, detached.stderr
    assert _gone(slim.place / "state/web")


def _gone(path: Path) -> bool:
    """Whether it goes within a generous time."""
    deadline = time.monotonic() + 20
    while path.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    return not path.exists()
