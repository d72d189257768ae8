"""Ctrl-C, SIGTERM and SIGHUP at random moments of every phase of every command: it ends, and nothing is left."""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
import subprocess
from collections.abc import Callable, Sequence

import pytest

from tests.integration.slim.conftest import MakeApp, Slim
from tests.support.cntr import wait_until
from tests.support.interrupts import Interrupted, Run, after, interrupted, processes_with, started
from tests.unit.images.layouts import file

pytestmark = pytest.mark.requires("root", "fuse", "overlayfs", "runc", "busybox")

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PHASES = ("", "reading the image", "tracing", "splitting", "verifying", "compressing", "writing")
"""What the line of progress says; "" is the start."""
SPREAD = 0.25
"""Seconds after the beginning of a phase in which the interrupt comes."""
Interrupt = Callable[[Sequence[str], str, float, signal.Signals], Interrupted]


@pytest.fixture
def image(app: MakeApp) -> str:
    """An image whose phases take some time each."""
    script = "echo up; cat /data/large >/data/copy; sleep 0.2"
    return app(script, file("data/large", random.Random(0).randbytes(12_000_000)))


@pytest.fixture
def signals(pytestconfig: pytest.Config) -> list[signal.Signals]:
    """One for each interrupt to be made: each kind as often as the others."""
    return list(
        itertools.islice(itertools.cycle(random.sample(SIGNALS, 3)), int(pytestconfig.getoption("--interrupts")))
    )


@pytest.fixture
def interrupt(slim: Slim) -> Interrupt:
    """Interrupt a command some time after it began a phase; prove that it ended by that, and left nothing."""
    mark = f"mark-{random.getrandbits(64):x}"
    slim.environment["CNTR_TEST"] = mark

    def make(line: Sequence[str], phase: str, spread: float, number: signal.Signals) -> Interrupted:
        seconds = random.random() * spread

        bundles: set[str] = set()

        def wait(run: Run) -> None:
            started(run)
            after(phase, seconds)(run)
            bundles.update(os.listdir(slim.temporary))

        end = interrupted(line, number, wait, cwd=slim.place, env=slim.environment)
        if not end.by_itself:
            assert end.code in (128 + number, -number), end
            assert "cntr: " not in end.printed
        if end.by_itself and "-d" in line:
            return end  # it came too late: the container is in the background
        wait_until(lambda: not processes_with(mark), "its processes are gone")
        assert os.listdir(slim.temporary) == []
        assert list(slim.place.rglob("*.partial-*")) == []
        wait_until(lambda: not _cgroups() & bundles, "its cgroups are gone")
        return end

    return make


def _cgroups() -> set[str]:
    """Those of runs, which bear the names of their directories."""
    line = ["find", "/sys/fs/cgroup", "-name", "cntr-run-*", "-printf", "%f\n"]
    return set(subprocess.run(line, capture_output=True, text=True).stdout.split())


@pytest.mark.parametrize("phase", PHASES)
def test_slim(slim: Slim, image: str, interrupt: Interrupt, signals: list[signal.Signals], phase: str) -> None:
    for number in signals:
        end = interrupt(["slim", image, "-o", "out.tar", "--probe", "exit"], phase, SPREAD, number)
        if not end.by_itself and (slim.place / "out.tar").exists():  # the images were saved, the report was not yet
            assert slim.cntr("verify", "out.tar").returncode == 0
        (slim.place / "out.tar").unlink(missing_ok=True)


def test_slim_into_a_layout(slim: Slim, image: str, interrupt: Interrupt, signals: list[signal.Signals]) -> None:
    for number in signals:
        interrupt(["slim", image, "-o", "layout", "--probe", "exit"], "writing", SPREAD, number)
        if (slim.place / "layout").exists():
            assert slim.cntr("verify", "layout:image:slim").returncode == 0


@pytest.mark.parametrize(
    ("line", "seconds"),
    [
        (["join", "out.tar:app:slim", "-o", "joined.tar"], 1.2),
        (["verify", "out.tar:app:slim"], 0.5),
        (["diff", "out.tar:app:slim", "out.tar:app:fat"], 0.5),
        (["why", "report", "/run"], 0.3),
        (["why", "out.tar:app:slim", "/run"], 0.4),
        (["trace", "show", "report/trace.jsonl.zst"], 0.4),
        (["trace", "merge", "report/trace.jsonl.zst", "-o", "merged"], 0.4),
        (["trace", "diff", "report/trace.jsonl.zst", "report/trace.jsonl.zst"], 0.4),
        (["trace", "run", "IMAGE", "--probe", "exit"], 1.0),
        (["run", "--rm", "IMAGE"], 1.2),
        (["run", "--rm", "--fat-image", "out.tar:app:fat", "IMAGE"], 1.2),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, list) else "",
)
def test_the_other_commands(
    slim: Slim, image: str, interrupt: Interrupt, signals: list[signal.Signals], line: list[str], seconds: float
) -> None:
    slim.made(image, "--probe", "exit")
    for number in signals:
        interrupt([image if word == "IMAGE" else word for word in line], "", seconds, number)
        assert json.loads(slim.cntr("list", "--engine", "oci", "--all", "--json").stdout) == []


def test_run_in_the_background(slim: Slim, app: MakeApp, interrupt: Interrupt, signals: list[signal.Signals]) -> None:
    image = app("exec sleep 1000", file("data/large", bytes(12_000_000)))
    for number in signals:
        end = interrupt(["run", "-d", "--name", "sleeper", image], "", 0.7, number)
        if end.by_itself:
            assert slim.cntr("stop", "sleeper", "-t", "0").returncode == 0
        assert not (slim.place / "state").exists()
