"""What who takes over a process of a session in the container can do: speak for it. It ends the session, no more."""

from __future__ import annotations

import ctypes
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from cntr_core.kernel.syscall import owned
from tests.support.cntr import running, wait_until
from tests.support.images import DockerRun

pytestmark = pytest.mark.requires("root", "docker", "fuse")

PIDFD_GETFD = 438
"""pidfd_getfd(2): whoever may trace a process gets its descriptors."""


@contextmanager
def _taken_over(supervisor: int) -> Iterator[socket.socket]:
    """The socket of the session's reaper: of the child of the supervisor's child's child."""
    reaper = supervisor
    for _ in range(3):
        with open(f"/proc/{reaper}/task/{reaper}/children") as file:
            [reaper] = [child for child in map(int, file.read().split()) if _is_of_session(child)]
    with owned(os.pidfd_open(reaper)) as pidfd:
        wait_until(lambda: len(_sockets(reaper)) == 1, "the reaper keeps one socket")
        [fd] = _sockets(reaper)
        taken = ctypes.CDLL(None, use_errno=True).syscall(PIDFD_GETFD, pidfd, fd, 0)
    with socket.socket(fileno=taken) as sock:
        yield sock


def _is_of_session(pid: int) -> bool:
    with open(f"/proc/{pid}/cmdline", "rb") as file:
        return file.read().startswith(b"cntr: session")


def _sockets(pid: int) -> list[int]:
    found = []
    for name in os.listdir(f"/proc/{pid}/fd"):
        with suppress(FileNotFoundError):
            if stat.S_ISSOCK(os.stat(f"/proc/{pid}/fd/{name}").st_mode):
                found.append(int(name))
    return found


@pytest.mark.parametrize(
    "message",
    [
        "[]", "5", '["error", 5]', '["exit", {}]', '["exit", {"code": "x"}]', '["exit", {"code": 999999999999}]',
        '["exit", {"code": -1}]', '["exit", {"code": null}]', '["terminal", {}]',
    ],
)  # fmt: skip
@pytest.mark.parametrize("command", ["attach", "exec"])
def test_nonsense_ends_the_session_with_a_sentence(docker_run: DockerRun, command: str, message: str) -> None:
    name = docker_run("debian", command=("sleep", "1000"))
    with running(command, name, "--", "sh", "-c", "echo began; sleep 1000") as session:
        assert session.stdout is not None and session.stderr is not None
        assert session.stdout.readline() == b"began\n"
        with _taken_over(session.pid) as sock:
            sock.send(message.encode())
        said = session.stderr.read().decode()
        assert session.wait(20) == 125
    assert "sent what is no message" in said
    assert "Traceback" not in said and "unexpected" not in said
