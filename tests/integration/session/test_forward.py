"""Sockets of the host inside a session: bytes, descriptors, half-closed connections, absent servers."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.session.conftest import Running
from tests.support.cntr import PROGRAM, UNMEASURED, cntr, environment, output, running

pytestmark = pytest.mark.requires("root", "docker", "fuse")

CLIENT = """
import array, os, socket, sys
def connect(path):
    s = socket.socket(socket.AF_UNIX); s.connect(path); return s
"""
"""Runs in the session with the host's python3."""


@contextlib.contextmanager
def serving(path: str, serve: Callable[[socket.socket], None]) -> Iterator[None]:
    """A server on a unix socket of the host, one thread for each connection."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    threading.Thread(target=serve, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield
        listener.shutdown(socket.SHUT_RDWR)


def receive_all(connection: socket.socket) -> bytes:
    data = bytearray()
    while piece := connection.recv(65536):
        data += piece
    return bytes(data)


def in_session(container: Running, forward: str, script: str, **env: str) -> str:
    options = ("--forward-socket", forward)
    return output("attach", container.name, *options, "--", "python3", "-c", CLIENT + script, env=env)


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "s")


def echo_after_the_end(connection: socket.socket) -> None:
    """Answers only when the client has closed its side, so that half-close must pass."""
    with connection:
        connection.sendall(b"got " + receive_all(connection))


def test_both_directions_and_half_close(debian: Running, path: str) -> None:
    with serving(path, echo_after_the_end):
        script = "s = connect('/run/s'); s.sendall(b'hello'); s.shutdown(1); print(s.recv(99))"
        assert in_session(debian, f"{path}:/run/s", script) == "b'got hello'\n"


def test_much_data_against_a_slow_reader(debian: Running, path: str) -> None:
    received: list[int] = []

    def slow(connection: socket.socket) -> None:
        with connection:
            total = 0
            while piece := connection.recv(100_000):
                total += len(piece)
            received.append(total)
            connection.sendall(b"%d" % total)

    with serving(path, slow):
        script = "s = connect('/run/s'); s.sendall(bytes(8_000_000)); s.shutdown(1); print(s.recv(99))"
        assert in_session(debian, f"{path}:/run/s", script) == "b'8000000'\n"
    assert received == [8_000_000]


def test_descriptors_pass_both_ways(debian: Running, path: str) -> None:
    def exchange(connection: socket.socket) -> None:
        with connection:
            _, fds, _, _ = socket.recv_fds(connection, 10, 1)
            os.write(fds[0], b"written by the host")
            os.close(fds[0])
            read, write = os.pipe()
            socket.send_fds(connection, [b"x"], [read])
            os.write(write, b"a pipe of the host")
            os.close(write)
            os.close(read)

    with serving(path, exchange):
        script = """
s = connect('/run/s')
r, w = os.pipe()
socket.send_fds(s, [b'x'], [w]); os.close(w)
_, fds, _, _ = socket.recv_fds(s, 10, 1)
print(os.read(r, 99), os.read(fds[0], 99))
"""
        assert in_session(debian, f"{path}:/run/s", script) == "b'written by the host' b'a pipe of the host'\n"


def test_many_connections_at_once(debian: Running, path: str) -> None:
    with serving(path, echo_after_the_end):
        script = """
many = [connect('/run/s') for _ in range(60)]
for n, s in enumerate(many): s.sendall(b'%d' % n); s.shutdown(1)
print(all(s.recv(99) == b'got %d' % n for n, s in enumerate(many)))
"""
        assert in_session(debian, f"{path}:/run/s", script) == "True\n"


def test_more_connections_than_file_descriptors_wait_for_their_turn(debian: Running, path: str) -> None:
    script = """
import resource
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
def attempt():
    s = socket.socket(socket.AF_UNIX); s.setblocking(False)
    try: s.connect('/run/s')
    except BlockingIOError: pass
    s.setblocking(True)
    return s
many = [attempt() for _ in range(200)]
many[0].shutdown(1); print(many[0].recv(9))
for s in many: s.close()
s = connect('/run/s'); s.sendall(b'again'); s.shutdown(1); print(s.recv(9))
"""
    line = ["prlimit", "--nofile=128:", PROGRAM, "attach", debian.name, "--forward-socket", f"{path}:/run/s"]
    with serving(path, echo_after_the_end):
        result = subprocess.run(
            [*line, "--", "python3", "-c", CLIENT + script],
            capture_output=True,
            env=environment(UNMEASURED),
            timeout=60,
        )
    assert (result.returncode, result.stdout, result.stderr) == (0, b"b'got '\nb'got again'\n", b"")


def test_a_server_with_a_full_backlog_keeps_no_other_connection_waiting(debian: Running, path: str) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(0)

        def serve() -> None:
            first, _ = listener.accept()
            for _ in range(2):
                first.sendall(first.recv(1))
            for _ in range(4):
                echo_after_the_end(listener.accept()[0])

        threading.Thread(target=serve, daemon=True).start()
        script = """
import time
first = connect('/run/s'); first.sendall(b'1'); print(first.recv(1))
others = [connect('/run/s') for _ in range(4)]
time.sleep(0.5)
first.sendall(b'2'); print(first.recv(1))
for s in others: s.shutdown(1)
print([s.recv(9) for s in others])
"""
        printed = in_session(debian, f"{path}:/run/s", script)
    assert printed == "b'1'\nb'2'\n[b'got ', b'got ', b'got ', b'got ']\n"


def test_an_absent_server_is_a_closed_connection(debian: Running, path: str) -> None:
    script = "s = connect('/run/s'); print(s.recv(9))"
    assert in_session(debian, f"{path}:/run/s", script) == "b''\n"


def test_a_server_that_dies_ends_the_connection(debian: Running, path: str) -> None:
    with serving(path, lambda connection: connection.close()):
        script = """
s = connect('/run/s')
try: print(s.recv(9))
except ConnectionResetError: print(b'')
"""
        assert in_session(debian, f"{path}:/run/s", script) == "b''\n"


def test_the_callers_variable_names_the_socket_of_the_session(debian: Running, path: str) -> None:
    with serving(path, echo_after_the_end):
        script = "p = os.environ['SSH_AUTH_SOCK']; print(p); s = connect(p); s.shutdown(1); print(s.recv(9))"
        printed = in_session(debian, f"{path}:/run/agent/s", script, SSH_AUTH_SOCK=path)
        assert printed == "/run/agent/s\nb'got '\n"


def test_a_path_below_tmp_needs_no_second_one(debian: Running) -> None:
    name = f"/tmp/cntr-test-{os.getpid()}.sock"
    try:
        with serving(name, echo_after_the_end):
            script = f"s = connect('{name}'); s.shutdown(1); print(s.recv(9))"
            assert in_session(debian, name, script) == "b'got '\n"
    finally:
        os.unlink(name)


def test_a_session_user_may_connect(debian: Running, path: str) -> None:
    with serving(path, echo_after_the_end):
        options = ("--forward-socket", f"{path}:/run/s", "--user", "1234:56")
        script = CLIENT + "s = connect('/run/s'); s.shutdown(1); print(s.recv(9))"
        assert output("attach", debian.name, *options, "--", "python3", "-c", script) == "b'got '\n"


def test_a_place_that_cannot_be_written_is_refused(debian: Running, path: str) -> None:
    result = cntr("attach", debian.name, "--forward-socket", f"{path}:/usr/lib/s", "--", "true")
    assert result.returncode == 125
    assert b"/usr/lib/s" in result.stderr
    assert b"/run or /tmp" in result.stderr


def test_a_connection_does_not_keep_the_session_alive(debian: Running, path: str) -> None:
    hold = threading.Event()
    with serving(path, lambda _: hold.wait(30) and None):
        options = ("--forward-socket", f"{path}:/run/s")
        script = CLIENT + "s = connect('/run/s'); print('connected', flush=True)"
        with running("attach", debian.name, *options, "--", "python3", "-c", script) as session:
            assert session.wait(20) == 0
    hold.set()


def test_the_plan_tells_of_the_socket(debian: Running, path: str) -> None:
    with serving(path, echo_after_the_end):
        line = ("attach", debian.name, "--forward-socket", f"{path}:/run/s", "--dry-run", "--", "true")
        assert "listen on /run/s" in output(*line)
