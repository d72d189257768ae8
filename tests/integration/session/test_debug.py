"""What --debug tells of a session: a line a step, from every process, on the caller's stderr and nowhere else."""

from __future__ import annotations

import os
import re

import pytest

from tests.integration.session.conftest import Running
from tests.support.cntr import cntr

pytestmark = pytest.mark.requires("root", "docker", "fuse")

_LINE = re.compile(r"debug: (\w+)\[\d+\] \+\d+ ms [\w.]+: (.*)")

FAMILY = {"cntr", "monitor", "builder", "reaper", "command"}  # attach has a filesystem server, too


def _told(errors: bytes) -> list[tuple[str, str]]:
    """Process and sentence of each line; all must be such lines."""
    lines = errors.decode().splitlines()
    matches = [_LINE.fullmatch(line) for line in lines]
    assert all(matches), lines
    return [(match[1], match[2]) for match in matches if match]


@pytest.mark.parametrize("command", ["attach", "exec"])
def test_every_process_tells_its_steps(debian: Running, command: str) -> None:
    done = cntr(command, "--debug", debian.name, "--", "sh", "-c", "echo out; exit 3")
    assert (done.returncode, done.stdout) == (3, b"out\n")
    told = _told(done.stderr)
    assert {process for process, _ in told} == FAMILY | ({"fs"} if command == "attach" else set())
    assert ("reaper", "the command has ended with 3") in told
    timed = [text for process, text in told if process == "builder" and re.search(r": \d+\.\d ms$", text)]
    assert any(text.startswith("join the namespace mnt") for text in timed)


def test_without_it_nothing_is_told(debian: Running) -> None:
    assert cntr("attach", debian.name, "--", "true").stderr == b""


def test_the_command_has_no_descriptor_of_the_lines(debian: Running) -> None:
    done = cntr("attach", "--debug", debian.name, "--", "ls", "/proc/self/fd")
    assert done.stdout.split() == [b"0", b"1", b"2", b"3"]  # 3 is the directory itself


def test_a_value_of_the_environment_is_not_told(debian: Running) -> None:
    done = cntr("attach", "--debug", "--env", "TOKEN=s3cret-value", debian.name, "--", "true")
    assert b"s3cret-value" not in done.stderr
    assert done.returncode == os.EX_OK
