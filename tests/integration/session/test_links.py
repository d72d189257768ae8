"""Absolute links of the container below ``/var/lib/cntr``, with ``--links container``: they lead inside."""

from __future__ import annotations

import pytest

from tests.support.cntr import cntr, docker_exec, output
from tests.support.images import DockerRun

pytestmark = pytest.mark.requires("root", "docker", "fuse")

_MAKE = """
mkdir -p /app/releases/1 /data && cd /app
echo inside > /app/releases/1/page && echo inside > /usr/share/of-the-container
ln -s /app/releases/1 current && ln -s /usr/share/of-the-container shared && ln -s /data/new new && ln -s / root
ln -s ../../../../../../app/releases/1/page dots && ln -s /tmp/scratch scratch && ln -s current/page relative
ln -s /etc/debian_version version
"""


@pytest.fixture
def container(docker_run: DockerRun) -> str:
    name = docker_run("debian", command=("sleep", "1000"))
    docker_exec(name, "sh", "-c", _MAKE)
    return name


@pytest.fixture(params=["pyfuse3", "direct"])
def server(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def _attach(container: str, server: str, script: str) -> str:
    return output("attach", container, "--fs", server, "--links", "container", "--", "sh", "-c", script)


def test_links_are_read_inside(container: str, server: str) -> None:
    docker_exec(container, "sh", "-c", "echo container > /etc/debian_version")
    script = "cd app; cat current/page shared relative root/app/shared version; ls root/proc/1/comm; cat ../var/run/x"
    docker_exec(container, "sh", "-c", "echo run > /run/x")
    printed = _attach(container, server, script).split()
    assert printed == ["inside"] * 4 + ["container", "root/proc/1/comm", "run"]


def test_links_are_written_through_into_the_container(container: str, server: str) -> None:
    script = "echo 1 > app/new; echo 2 > app/scratch; echo 3 > app/current/added; echo 4 > var/run/app.pid; ls -A /tmp"
    assert _attach(container, server, script) == ""
    printed = docker_exec(container, "cat", "/data/new", "/tmp/scratch", "/app/releases/1/added", "/run/app.pid")
    assert printed.split() == ["1", "2", "3", "4"]


def test_links_read_as_relative_ones_and_are_not_changed(container: str, server: str) -> None:
    script = "readlink app/current app/root app/relative var/run; ln -s /app/releases/1 app/again; rm app/shared"
    printed = _attach(container, server, script).split()
    assert printed == ["../app/releases/1", "../", "current/page", "../run"]
    assert docker_exec(container, "readlink", "/app/current", "/app/again").split() == ["/app/releases/1"] * 2
    assert "shared" not in docker_exec(container, "ls", "/app")


def test_no_link_leads_out_of_the_container(container: str, server: str) -> None:
    docker_exec(container, "sh", "-c", "cd /app; ln -s /../../../etc/hostname up; ln -s //etc/hostname slashes")
    script = "cat app/up app/slashes; cd app/root && pwd -P && ls -d var/lib/dpkg"
    hostname = docker_exec(container, "hostname").strip()
    assert _attach(container, server, script).split() == [hostname, hostname, "/var/lib/cntr", "var/lib/dpkg"]


def test_what_cannot_do_it_says_so(container: str) -> None:
    result = cntr("attach", container, "--fs", "kernel", "--links", "container", "--", "true")
    assert (result.returncode, result.stdout) == (125, b"")
    assert b"cannot change links" in result.stderr
    for options in (("--links", "inside"), ("--links", "container", "--fat")):
        assert cntr("attach", container, *options, "--", "true").returncode == 125
