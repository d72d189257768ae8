"""``--wait``: sessions in containers that do not run yet, or run for moments only."""

from __future__ import annotations

import os
import signal
import subprocess
import uuid
from collections.abc import Iterator

import pytest

from tests.support.cntr import PROGRAM, cntr, environment
from tests.support.images import docker_image

pytestmark = pytest.mark.requires("root", "fuse", "docker")


@pytest.fixture
def name() -> Iterator[str]:
    """Of a container that a test may make."""
    name = f"cntr-test-{uuid.uuid4().hex[:12]}"
    yield name
    subprocess.run(["docker", "rm", "--force", name], check=False, capture_output=True, timeout=60)


def _docker_run(name: str, *options: str, script: str) -> None:
    line = ["docker", "run", "--detach", "--name", name, *options, docker_image("debian"), "sh", "-c", script]
    subprocess.run(line, check=True, capture_output=True, timeout=120)


def _waiting(*words: str) -> subprocess.Popen[bytes]:
    """A cntr that has said that it waits."""
    process = subprocess.Popen(
        [PROGRAM, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=environment(), start_new_session=True,
    )  # fmt: skip
    assert process.stderr is not None
    said = process.stderr.readline()
    assert b"waiting for its next start (Ctrl-C ends this)" in said, said
    return process


@pytest.mark.parametrize("scheme", ["", "docker://"])
def test_a_container_that_is_not_there_yet(name: str, scheme: str) -> None:
    waiting = _waiting("attach", "--wait", f"{scheme}{name}", "--", "cat", "/proc/1/comm")
    _docker_run(name, script="exec sleep 1000")
    out, _ = waiting.communicate(timeout=60)
    assert (waiting.returncode, out) == (0, b"sleep\n")


def test_a_container_in_a_crash_loop(name: str) -> None:
    """It lives for moments, and is seen in one of them."""
    _docker_run(name, "--restart", "always", script="sleep 2; exit 1")
    for command in ("attach", "exec"):
        done = cntr(command, "--wait", "50s", name, "cat", "/proc/1/cmdline", timeout=55)
        assert (done.returncode, done.stdout) == (0, b"sh\0-c\0sleep 2; exit 1\0"), done.stderr


def test_a_stopped_container_starts_again(name: str) -> None:
    _docker_run(name, script="sleep 1000")
    subprocess.run(["docker", "stop", "--time", "0", name], check=True, capture_output=True, timeout=60)
    waiting = _waiting("exec", "--wait=1m", name, "hostname")
    subprocess.run(["docker", "start", name], check=True, capture_output=True, timeout=60)
    out, _ = waiting.communicate(timeout=60)
    assert waiting.returncode == 0
    assert out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_waiting_is_ended_by_signals(name: str, number: int) -> None:
    waiting = _waiting("attach", "--wait", name)
    os.killpg(waiting.pid, number)
    _, said = waiting.communicate(timeout=20)
    assert waiting.returncode == 128 + number
    assert b"Traceback" not in said


def test_the_time_is_up(name: str) -> None:
    done = cntr("attach", "--wait", "500ms", name)
    assert done.returncode == 125
    assert f"{name} did not start within".encode() in done.stderr
    done = cntr("attach", "--wait=soon", name)
    assert done.returncode == 125
    assert b"'soon' is not a duration" in done.stderr


def test_a_session_that_has_begun_is_not_begun_again(name: str) -> None:
    _docker_run(name, "--restart", "always", script="sleep 4; exit 1")
    done = cntr("attach", "--wait", name, "--", "sh", "-c", "echo begun; sleep 100")
    assert done.returncode == 125
    assert done.stdout in (b"begun\n", b"")
    assert b"ended, and the session with it" in done.stderr
