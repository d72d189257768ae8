"""Whose ``/run`` and ``/tmp`` a session has: the application's sockets are there."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.session.conftest import Containers, Running
from tests.support.cntr import cntr, docker_exec, docker_pid, output
from tests.support.images import DockerRun

pytestmark = pytest.mark.requires("root", "docker", "fuse")


@contextmanager
def _serving(path: str) -> Iterator[None]:
    """A socket in a container, with one connection answered by the kernel's queue."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        yield


@pytest.fixture
def container(docker_run: DockerRun) -> str:
    return docker_run("debian", command=("sleep", "1000"))


def test_links_to_run_lead_into_the_container(container: str, fs: str) -> None:
    """Debian's /var/run is an absolute link: what was written through it was lost."""
    docker_exec(container, "sh", "-c", "test $(readlink /var/run) = /run; mkdir -p /app; ln -s /run/deep /app/link")
    script = "echo 1 > /var/lib/cntr/var/run/app.pid; echo 2 > app/link; cat /run/app.pid /var/lib/cntr/run/app.pid"
    assert output("attach", container, "--fs", fs, "--", "sh", "-c", script) == "1\n1\n"
    assert docker_exec(container, "cat", "/run/app.pid", "/run/deep") == "1\n2\n"


def test_other_absolute_links_are_never_written_silently(container: str) -> None:
    docker_exec(container, "sh", "-c", "mkdir /data /app; ln -s /data /app/data; ln -s /usr/share/x /app/x")
    for link in ("app/data/new", "app/x"):
        result = cntr("attach", container, "--", "sh", "-c", f"echo lost > /var/lib/cntr/{link}")
        assert result.returncode != 0
        assert result.stderr


@pytest.mark.parametrize("place", ["tmp", "run", "var/tmp"])
def test_a_socket_of_the_application_is_where_tools_look_for_it(container: str, place: str) -> None:
    with _serving(f"/proc/{docker_pid(container)}/root/{place}/app.sock"):
        script = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1]); print('connected')"
        options = ("--tmp", "container", "--", "python3", "-c", script)
        assert output("attach", container, *options, f"/{place}/app.sock") == "connected\n"


def test_tmp_of_the_container_is_one_directory(container: str, fs: str) -> None:
    docker_exec(container, "touch", "/tmp/theirs", "/var/tmp/theirs")
    script = "ls /tmp /var/tmp; touch /tmp/ours; stat -c %a /tmp"
    printed = output("attach", container, "--fs", fs, "--tmp", "container", "--", "sh", "-c", script)
    assert printed.split() == ["/tmp:", "theirs", "/var/tmp:", "theirs", "1777"]
    assert docker_exec(container, "ls", "/tmp").split() == ["ours", "theirs"]


def test_a_container_without_them_has_private_ones(scratch: Running) -> None:
    script = "echo x > /run/x; echo x > /tmp/x; echo x > /var/tmp/x; ls /run /tmp"
    printed = output("attach", scratch.name, "--tmp", "container", "--", "sh", "-c", script)
    assert printed.split() == ["/run:", "x", "/tmp:", "x"]


def test_planted_links_lead_no_further_than_the_container(container: str, tmp_path: Path) -> None:
    (tmp_path / "secret").touch()
    docker_exec(container, "sh", "-c", f"rmdir /tmp; ln -s {tmp_path} /tmp; mv /run /r; ln -s ../../../../../../r /run")
    printed = output("attach", container, "--tmp", "container", "--", "sh", "-c", "ls -A /tmp /run")
    assert "secret" not in printed
    assert "lock" in printed


def test_a_read_only_container_stays_so(containers: Containers) -> None:
    container = containers.get("read-only")
    result = cntr("attach", container.name, "--tmp", "container", "--", "touch", "/run/x", "/tmp/x")
    assert result.returncode == 1
    assert result.stderr.count(b"Read-only file system") == 2


def test_a_forwarded_socket_is_never_made_in_the_container(container: str, tmp_path: Path) -> None:
    path = tmp_path / "s"
    with _serving(str(path)):
        forward = ("--forward-socket", f"{path}:/run/forwarded")
        assert output("attach", container, *forward, "--", "ls", "/run") == "forwarded\n"
        assert "forwarded" not in docker_exec(container, "ls", "/run")
        result = cntr("attach", container, "--tmp", "container", *forward, "--", "true")
        assert (result.returncode, result.stdout) == (125, b"")
        assert b"--forward-socket" in result.stderr


def test_a_wrong_word_is_refused(container: str) -> None:
    result = cntr("attach", container, "--tmp", "shared", "--", "true")
    assert result.returncode == 125
    assert b"--tmp cannot be 'shared'" in result.stderr
