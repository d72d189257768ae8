"""The time to the first answer, by a link, a registry and an engine that live as long as the measurement."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from evaluation.first_answer.results import FirstAnswer, read_answers
from tests.support.cntr import wait_until
from tests.support.images import cache_directory

_ROOT = Path(__file__).resolve().parents[2]
_IMAGE = "hello-world"
pytestmark = [
    pytest.mark.requires("root", "fuse", "runc", "busybox", "gcc", "tar", "docker-cli", "dockerd", "docker-registry"),
    pytest.mark.requires("setpriv", "unshare", "tc", "tun"),
]

_LINK = """
import socket, threading, time
from evaluation.first_answer.link import HERE, THERE, Speed, end_of_link, joined, new_network

def serve(server):
    while True:
        with server.accept()[0] as connection:
            while connection.recv(1 << 16):
                pass
            connection.sendall(b"!")

speed = Speed(20, 100)
new_network()
one = end_of_link(HERE, THERE, speed)
server = socket.create_server((HERE, 1))
threading.Thread(target=serve, args=(server,), daemon=True).start()
new_network()
with joined(one, end_of_link(THERE, HERE, speed), speed):
    begun = time.monotonic()
    with socket.create_connection((HERE, 1), 60) as client:
        print(time.monotonic() - begun)
        begun = time.monotonic()
        client.sendall(bytes(2_500_000))
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1) == b"!"
        print(time.monotonic() - begun)
"""


def test_the_link_is_as_slow_as_it_says_and_goes() -> None:
    run = subprocess.run(
        [sys.executable, "-c", _LINK], cwd=_ROOT, capture_output=True, text=True, check=True, timeout=120
    )
    connect, send = map(float, run.stdout.split())
    assert connect >= 0.1, "a packet and its answer"
    assert send >= 0.9, "20 Mbit, but for the bucket's 128 kB"
    assert not os.path.exists("/sys/class/net/cntr-link")


@dataclass(frozen=True, slots=True)
class Place:
    """A directory for temporary files, and in it pairs of the image."""

    root: Path

    def start(self, *words: str) -> subprocess.Popen[str]:
        """``first-answer``, whose results go to a file there."""
        cache = ("--cache", str(Path(cache_directory()) / "corpus"))
        line = [sys.executable, "-m", "evaluation", "first-answer", "--pairs", str(self.root / "pairs"), *cache]
        line += ["--results", str(self.root / "results.jsonl"), *words]
        environment = {**os.environ, "TMPDIR": str(self.root / "tmp")}
        pipe = subprocess.PIPE
        return subprocess.Popen(line, cwd=_ROOT, env=environment, stdout=pipe, stderr=pipe, text=True)

    def run(self, *words: str) -> tuple[dict[str, FirstAnswer], str]:
        """The results by their names, and what was said."""
        with self.start(*words) as run:
            said = "".join(run.communicate(timeout=200))
        return {one.name: one for one in read_answers(str(self.root / "results.jsonl"))}, said

    def left(self) -> list[str]:
        """What a measurement has left behind: files, mounts, control groups, processes."""
        place = str(self.root / "tmp")
        found = [str(path) for path in Path(place).iterdir() if path.name.startswith("cntr-first")]
        found += [line for line in Path("/proc/mounts").read_text().splitlines() if place in line]
        found += [str(path) for path in Path("/sys/fs/cgroup").glob("*/cntr-first-answer-*")]
        return found + [line for line in _commands() if place in line]


def _commands() -> Iterator[str]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue  # it has ended


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    root = tmp_path_factory.mktemp("first-answer")
    (root / "tmp").mkdir()
    line = ["top50", "--only", _IMAGE, "--keep-pairs", str(root / "pairs"), "--results", str(root / "top50.jsonl")]
    line += ["--cache", str(Path(cache_directory()) / "corpus")]
    subprocess.run([sys.executable, "-m", "evaluation", *line], cwd=_ROOT, check=True, capture_output=True, timeout=200)
    yield Place(root)


def test_both_are_measured_once_and_one_that_fails_stops_no_other(place: Place) -> None:
    words = ("--only", f"busybox,{_IMAGE}", "--resume")
    found, said = place.run(*words)
    assert found["busybox"].error.startswith("there is no slim image")
    one = found[_IMAGE]
    assert one.original is not None and one.slim is not None, said
    assert not one.error and "1 of 2 images were measured" in said
    assert one.original.bytes >= one.slim.bytes > 0
    assert min(one.slim.pull, one.original.pull) >= 0.06, "three times to the registry and back, at least"
    assert re.match(r"Docker \d", one.engine) and one.registry and one.machine.kernel
    assert one.digests[0] != one.digests[1]
    assert not place.left()
    again, said = place.run(*words)
    assert again[_IMAGE] == one and "0 of 1 images" in said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupt_leaves_nothing_that_runs(place: Place, number: signal.Signals) -> None:
    results = place.root / "results.jsonl"
    before = results.read_bytes() if results.exists() else b""
    with place.start("--only", _IMAGE, "--milliseconds", "400") as run:
        wait_until(lambda: any((place.root / "tmp").glob("*/engine/data-root")), "the engine starts", 60)
        run.send_signal(number)
        assert run.wait(60) == (130 if number == signal.SIGINT else -number)
    wait_until(lambda: not [line for line in _commands() if str(place.root / "tmp") in line], "all ended", 30)
    assert (results.read_bytes() if results.exists() else b"") == before
    if number == signal.SIGKILL:
        place.run("--only", "busybox")  # the next one removes what is left, before it finds that there is no pair
    assert not place.left()
