"""The caller's pipes and files stay outside: the container gets bytes, and no descriptor of the host's."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.integration.session.conftest import Containers, Running
from tests.integration.session.conftest import containers as containers
from tests.support.cntr import PROGRAM, docker_exec, environment, is_alive, living_in, wait_until

pytestmark = pytest.mark.requires("root", "docker", "fuse")

_WHICH = ("stat", "--dereference", "--format", "%d:%i", *(f"/proc/self/fd/{number}" for number in range(3)))

# What can be done to a log that was opened for appending: read it, cut it, write over its beginning, change its mode.
_ATTACK = r"""
use Fcntl;
my $flags = O_RDWR | O_NONBLOCK;
my $read = "";
sysopen(my $again, "/proc/self/fd/1", $flags);
sysread($again, $read, 100);
syswrite(STDERR, "read: $read");
truncate($again, 2);
fcntl(STDOUT, F_SETFL, O_WRONLY);
sysseek(STDOUT, 0, 0);
chmod(0777, *STDOUT);
syswrite(STDOUT, "x");
"""


@pytest.fixture
def debian(containers: Containers) -> Running:
    return containers.get("debian")


def _identity(fd: int) -> str:
    status = os.fstat(fd)
    return f"{status.st_dev}:{status.st_ino}"


@pytest.mark.parametrize("command", ["attach", "exec"])
@pytest.mark.parametrize("kind", ["pipes", "files"])
def test_no_stream_of_the_callers_is_in_the_container(debian: Running, tmp_path: Path, command: str, kind: str) -> None:
    if kind == "pipes":
        source, feed = os.pipe()
        os.close(feed)
        output, sink = os.pipe()
    else:
        (tmp_path / "in").touch()
        source = os.open(tmp_path / "in", os.O_RDONLY)
        sink = os.open(tmp_path / "out", os.O_RDWR | os.O_CREAT)
        output = os.open(tmp_path / "out", os.O_RDONLY)
    ours = [_identity(source), _identity(sink)]
    assert subprocess.run(_WHICH, stdin=source, stdout=sink, timeout=30).returncode == 0
    assert ours[1] in os.read(output, 1000).decode().split(), "it would be seen"
    line = [PROGRAM, command, debian.name, "--", *_WHICH]
    done = subprocess.run(line, stdin=source, stdout=sink, stderr=sink, env=environment(), timeout=60)
    seen = os.read(output, 1000).decode().split()
    for fd in (source, sink, output):
        os.close(fd)
    assert done.returncode == 0 and len(seen) == 3, seen
    assert not set(seen) & set(ours)


def _attacked(log: Path, *words: str) -> tuple[bytes, int, bytes]:
    log.write_bytes(b"what was there before\n")
    log.chmod(0o600)
    with open(log, "ab") as file:
        line = [*words, "perl", "-e", _ATTACK]
        done = subprocess.run(line, stdout=file, stderr=subprocess.PIPE, env=environment(), timeout=60)
    return log.read_bytes(), log.stat().st_mode & 0o777, done.stderr


@pytest.mark.parametrize("command", ["attach", "exec"])
def test_a_log_is_neither_read_nor_changed_before_its_end(debian: Running, tmp_path: Path, command: str) -> None:
    log = tmp_path / "log"
    assert _attacked(log) == (b"xh", 0o777, b"read: what was there before\n"), "the attack works on the file itself"
    content, mode, said = _attacked(log, PROGRAM, command, debian.name, "--")
    assert content == b"what was there before\nx"
    assert mode == 0o600
    assert b"before" not in said


def test_who_stays_in_the_container_does_not_keep_a_reader_waiting(debian: Running) -> None:
    before = living_in(debian.pid)
    line = [PROGRAM, "exec", debian.name, "sh", "-c", "setsid sleep 1006 & echo $!"]
    done = subprocess.run(line, stdout=subprocess.PIPE, env=environment(), timeout=30)  # reads to the pipe's end
    assert len(living_in(debian.pid)) == len(before) + 1, "it is still there"
    docker_exec(debian.name, "sh", "-c", f"kill {int(done.stdout)}")
    wait_until(lambda: living_in(debian.pid) == before, "the container is as before")
    assert is_alive(debian.pid)
