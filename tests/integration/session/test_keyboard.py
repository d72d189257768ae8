"""Whose keys are they? A command without a terminal of its own takes none that are for the shell, or for a pager."""

from __future__ import annotations

import fcntl
import subprocess
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.session.conftest import Running
from tests.support.cntr import PROGRAM, environment, wait_until
from tests.support.terminal import Terminal

pytestmark = pytest.mark.requires("root", "docker", "fuse")

KEYS = 60
PAGER = f"""
import sys, termios, tty
begun = sys.stdin.readline()
keys = open("/dev/tty", "rb", buffering=0)
tty.setraw(keys, termios.TCSANOW)
sys.stdout.write("press\\n")
sys.stdout.flush()
for pressed in range({KEYS}):
    keys.read(1)
sys.stdout.write("all\\n")
"""
"""A pager, as far as keys go; it tells on the terminal when it wants them, and when it had them."""


@pytest.fixture
def shell() -> Iterator[Terminal]:
    """A person's shell, with job control."""
    with Terminal() as terminal:
        line = ["bash", "--norc", "--noprofile", "--noediting", "-i"]
        bash = subprocess.Popen(
            line, stdin=terminal.slave, stdout=terminal.slave, stderr=terminal.slave,
            env=environment({"TERM": "dumb", "PS1": "$ ", "CNTR": PROGRAM}), start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )  # fmt: skip
        try:
            terminal.expect(b"$ ")
            yield terminal
        finally:
            bash.kill()
            bash.wait()


def _waiting(file: str, then: str) -> str:
    """A command of the container: it tells that it began, and goes on when there is `file`."""
    return f"'echo began; until [ -e {file} ]; do sleep 0.1; done; {then}'"


def _behind(shell: Terminal, line: str, log: Path) -> None:
    """Start a command in the background of the shell, with its output in `log`, and type while it runs."""
    shell.type(f"{line} > {log} &\n".encode())
    wait_until(lambda: log.exists() and "began" in log.read_text(), "the command began")
    shell.type(b"echo ty''ped\n")
    shell.expect(b"typed")


def _make(container: Running, file: str) -> None:
    Path(f"/proc/{container.pid}/root{file}").touch()


@pytest.mark.parametrize("command", ["attach", "exec"])
def test_a_session_in_the_background_goes_on_while_somebody_types(
    debian: Running, shell: Terminal, tmp_path: Path, command: str
) -> None:
    there, log = f"/tmp/go-{command}", tmp_path / "log"
    file = f"/var/lib/cntr{there}" if command == "attach" else there
    _behind(shell, f"$CNTR {command} {debian.name} -- sh -c {_waiting(file, 'echo done')}", log)
    shell.type(b"jobs; echo li''sted\n")
    shell.expect(b"listed")
    assert b"Running" in shell.printed and b"Stopped" not in shell.printed
    _make(debian, there)
    wait_until(lambda: "done" in log.read_text(), "the command ended")


def test_output_on_the_terminal_is_no_reason_to_stop(debian: Running, shell: Terminal) -> None:
    script = _waiting("/tmp/go-shown", 'echo do""ne')
    shell.type(f"$CNTR exec {debian.name} sh -c {script} &\n".encode())
    shell.expect(b"began\r\n")
    shell.type(b"echo ty''ped\n")
    shell.expect(b"typed")
    _make(debian, "/tmp/go-shown")
    shell.expect(b"done")


def test_in_the_foreground_again_it_is_given_what_is_typed(debian: Running, shell: Terminal, tmp_path: Path) -> None:
    log = tmp_path / "log"
    script = "'echo began; read line; echo got $line'"
    _behind(shell, f"$CNTR exec {debian.name} sh -c {script}", log)
    shell.type(b"fg; echo ba''ck\n")
    shell.expect(b"\n$CNTR")
    shell.type(b"hello\n")
    shell.expect(b"back")
    assert log.read_text() == "began\ngot hello\n"


def test_the_keys_of_a_pager_are_its_own(debian: Running, shell: Terminal, tmp_path: Path) -> None:
    (tmp_path / "pager.py").write_text(PAGER)
    script = _waiting("/tmp/go-pager", "true")
    shell.type(f"$CNTR exec {debian.name} sh -c {script} | python3 {tmp_path}/pager.py\n".encode())
    shell.expect(b"press")
    for _ in range(KEYS):
        shell.type(b"j")
    shell.expect(b"all")
