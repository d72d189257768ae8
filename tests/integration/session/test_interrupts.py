"""Ctrl-C, SIGTERM and SIGHUP end attach, exec, cp and list at any moment, and nothing is left."""

from __future__ import annotations

import os
import random
import signal
import termios
import time
import uuid
from pathlib import Path

import pytest

from tests.support.cntr import docker_pid, environment, wait_until
from tests.support.images import DockerRun
from tests.support.interrupts import Run, after, interrupted, processes_with, started

pytestmark = pytest.mark.requires("root", "fuse", "docker")

_MOMENTS = int(os.environ.get("CNTR_TEST_MOMENTS", "2"))
"""For each command and signal; more for a search."""
_LONGEST = 1.5
"""Seconds, within which each of the commands is at work on an idle machine."""


@pytest.fixture
def name(docker_run: DockerRun) -> str:
    return docker_run("debian", command=("sleep", "1000000"))


def _line(command: str, name: str, large: Path) -> list[str]:
    if command == "cp in":
        return ["cp", str(large), f"docker://{name}:/srv/"]
    if command == "cp out":
        return ["cp", f"docker://{name}:/usr", str(large.parent / "usr")]
    if command == "wait":
        return ["attach", "--wait", f"{name}-not"]
    return {
        "list": ["list", "--all"],
        "attach": ["attach", name, "--", "sleep", "1000"],
        "exec": ["exec", name, "sleep", "1000"],
    }[command]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("command", ["attach", "exec", "cp in", "cp out", "list", "wait"])
def test_it_ends_at_any_moment(name: str, tmp_path: Path, command: str, number: signal.Signals) -> None:
    large = tmp_path / "large"
    with open(large, "wb") as file:
        os.posix_fallocate(file.fileno(), 0, 1 << 29)
    root = Path(f"/proc/{docker_pid(name)}/root")
    moments = random.Random(f"{command} {number}")
    for _ in range(_MOMENTS):
        seconds = moments.uniform(0, _LONGEST)

        def when(run: Run, seconds: float = seconds) -> None:
            started(run)
            time.sleep(seconds)

        mark = f"CNTR_TEST_MARK={uuid.uuid4().hex}"
        env = environment(dict([mark.split("=")]))
        ended = interrupted(_line(command, name, large), number, when, cwd=tmp_path, env=env)
        # Where nothing is begun yet, the signal itself ends the program, which shells tell as 128+n, too.
        assert ended.by_itself or ended.code in (128 + number, -number), (seconds, ended)
        wait_until(lambda mark=mark: not processes_with(mark), "all of its processes end", 20)
        assert not list((root / "srv").glob(".cntr-cp-*"))
        assert not list(tmp_path.rglob(".cntr-cp-*"))


@pytest.mark.parametrize("command", ["attach", "exec"])
def test_a_key_before_the_command_has_its_terminal_is_the_commands(name: str, tmp_path: Path, command: str) -> None:
    """From when on no key of the caller's terminal is a signal any longer."""
    line = [command, f"docker://{name}", "--", "sleep", "1000"]
    ended = interrupted(line, signal.SIGINT, _raw, cwd=tmp_path, env=environment())
    assert not ended.by_itself
    assert ended.code == 130


def _raw(run: Run) -> None:
    while run.terminal.attributes()[3] & termios.ISIG:
        assert run.process.poll() is None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("command", ["attach", "exec"])
def test_a_signal_before_the_command_is_executed_is_the_commands(
    name: str, tmp_path: Path, command: str, number: signal.Signals
) -> None:
    line = [command, "--debug", name, "--", "sleep", "1000"]
    ended = interrupted(line, number, after("the command is process", 0), cwd=tmp_path, env=environment())
    assert not ended.by_itself
    assert ended.code == 128 + number
