"""--writable-tools: packages are installed in a session, and neither host nor container change."""

from __future__ import annotations

import base64
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cntr_core.filesystem import Part
from cntr_core.session.host_programs import shown_of_host
from cntr_core.session.layer import PACKAGE_MANAGERS
from tests.hostile.test_host_tree import SECRETS
from tests.support.cntr import cntr, descendants, docker_pid, is_alive, output, running, wait_until
from tests.support.debian_archive import SUITE, DebianArchive
from tests.support.images import DockerRun
from tests.support.images import archive as image_archive

pytestmark = pytest.mark.requires("root", "fuse", "docker", "gpg", "dpkg-deb", "busybox", "nsenter")

_PORT = 8123
_INSTALL = f"""
set -e
rm -rf /etc/apt/sources.list.d /etc/apt/sources.list
echo "$1" | base64 --decode > /etc/apt/trusted.gpg.d/test.gpg
echo "deb http://127.0.0.1:{_PORT}/ {SUITE} main" > /etc/apt/sources.list
apt-get update >&2
apt-get install --yes speaker >&2
test -e /usr/share/set-up
speaker
"""


@contextlib.contextmanager
def _served_in(name: str, root: Path) -> Iterator[None]:
    """The archive on the loopback of the container, whose network the session has."""
    enter = ["nsenter", "--net", "--target", str(docker_pid(name))]
    line = [*enter, sys.executable, "-u", "-m", "http.server", "--bind", "127.0.0.1", "--directory", str(root)]
    with subprocess.Popen([*line, str(_PORT)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as server:
        try:
            assert server.stdout is not None
            assert b"Serving" in server.stdout.readline()
            yield
        finally:
            server.kill()


def _changes(name: str) -> bytes:
    return subprocess.run(["docker", "diff", name], check=True, capture_output=True, timeout=60).stdout


@pytest.fixture
def name(docker_run: DockerRun) -> str:
    return docker_run("debian", command=("sleep", "1000000"))


def test_apt_get_installs_in_the_session_alone(name: str, archive: DebianArchive) -> None:
    if not os.path.exists("/usr/bin/apt-get"):
        pytest.skip("the host has no apt-get")
    key = base64.b64encode(archive.signer.keyring.read_bytes())
    with _served_in(name, archive.root):
        line = ["attach", name, "--writable-tools", "--", "sh", "-c", _INSTALL, "sh", key.decode()]
        assert output(*line, timeout=120) == "a tool\n"
    assert not os.path.exists("/usr/bin/speaker")
    assert subprocess.run(["dpkg-query", "--status", "speaker"], capture_output=True, timeout=30).returncode == 1
    assert _changes(name) == b""
    assert cntr("attach", name, "--writable-tools", "--", "speaker").returncode == 127


@pytest.mark.parametrize("fs", ["direct", "pyfuse3"])
def test_tools_of_an_image_can_be_written_to(name: str, fs: str) -> None:
    tools = ["--tools", f"image:{image_archive('debian')}", "--fs", fs]
    script = "echo new > /usr/new; rm /bin/ls; useradd ann && tail -n 1 /etc/passwd; cat /usr/new"
    printed = output("attach", name, *tools, "--writable-tools", "--", "sh", "-c", script).splitlines()
    assert (printed[0].partition(":")[0], printed[-1]) == ("ann", "new")
    again = output("attach", name, *tools, "--", "sh", "-c", "ls -d /usr/new /bin/ls || true").splitlines()
    assert again == ["/bin/ls"]
    assert _changes(name) == b""


def test_no_service_is_started(name: str) -> None:
    result = cntr("attach", name, "--writable-tools", "--", "policy-rc.d", "nginx", "start")
    assert result.returncode == 101


def test_the_time_zone_and_run_are_the_sessions_own(name: str) -> None:
    script = "ln -sf /usr/share/zoneinfo/UTC /etc/localtime.new && mv /etc/localtime.new /etc/localtime; mkdir /run/own"
    output("attach", name, "--writable-tools", "--", "sh", "-c", script)
    assert _changes(name) == b""


def test_nothing_is_left_when_all_is_killed(name: str) -> None:
    script = "echo kept > /usr/kept; echo ready; sleep 1000"
    with running("attach", name, "--writable-tools", "--", "sh", "-c", script) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        everybody = [process.pid, *descendants(process.pid)]
        for pid in everybody:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not any(map(is_alive, everybody[1:])), "nobody of the session lives")
    assert cntr("attach", name, "--writable-tools", "--", "cat", "/usr/kept").returncode == 1
    assert not os.path.exists("/usr/kept")
    assert _changes(name) == b""


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--rw-tools"], "contradict each other"),
        (["--fat"], "--fat brings its own tools"),
        (["--fs", "kernel"], "the kernel backend is read-only"),
    ],
)
def test_what_does_not_go_with_it_is_refused(name: str, words: list[str], told: str) -> None:
    result = cntr("attach", name, "--writable-tools", *words, "--", "true")
    assert (result.returncode, told in result.stderr.decode()) == (125, True), result.stderr


def test_a_dry_run_says_so(name: str) -> None:
    assert "(writes are thrown away, by " in output("attach", name, "--writable-tools", "--dry-run")


def test_no_password_of_the_host_is_shown_for_it() -> None:
    part: Part = shown_of_host({b"PATH": b"/usr/bin", b"HOME": b"/root"}, [])
    for path in PACKAGE_MANAGERS:
        part.add(path, public=True)
    assert [path for path in SECRETS if path.startswith("/etc/apt") and part.shows(path)] == []
    assert part.shows("/etc/apt/sources.list")
