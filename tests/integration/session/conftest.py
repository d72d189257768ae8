"""Containers of every kind that a session must cope with, by Docker."""

from __future__ import annotations

import contextlib
import os
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.support.cntr import docker_pid
from tests.support.images import docker_image
from tests.support.roots import busybox_root

KINDS: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "debian": ("debian", (), ("sleep", "1000000")),
    "scratch": ("busybox", (), ()),
    "read-only": ("debian", ("--read-only",), ("sleep", "1000000")),
    "user-1000": ("debian", ("--user", "1000:1001", "--group-add", "1002"), ("sleep", "1000000")),
    "limits": ("debian", ("--memory", "64m", "--pids-limit", "20"), ("sleep", "1000000")),
    "volumes": ("debian", ("--volume", "/data", "--tmpfs", "/scratch"), ("sleep", "1000000")),
    "no-privileges": ("debian", ("--cap-drop", "ALL", "--security-opt", "no-new-privileges"), ("sleep", "1000000")),
}
"""Recipe, docker's options, command."""


@dataclass(frozen=True)
class Running:
    """A running container."""

    kind: str
    name: str
    pid: int


class Containers:
    """Starts one container of each kind when it is first asked for, for all tests."""

    def __init__(self) -> None:
        self._running: dict[str, Running] = {}

    def get(self, kind: str) -> Running:
        if kind not in self._running:
            recipe, options, command = KINDS[kind]
            name = f"cntr-test-{kind}-{uuid.uuid4().hex[:8]}"
            line = ["docker", "run", "--detach", "--name", name, "--env", "APP=two\nlines", *options]
            subprocess.run([*line, docker_image(recipe), *command], check=True, stdout=subprocess.DEVNULL, timeout=120)
            self._running[kind] = Running(kind, name, docker_pid(name))
        return self._running[kind]

    def remove(self) -> None:
        names = [container.name for container in self._running.values()]
        if names:
            subprocess.run(
                ["docker", "rm", "--force", "--volumes", *names], check=True, capture_output=True, timeout=90
            )


@pytest.fixture(scope="session")
def containers() -> Iterator[Containers]:
    started = Containers()
    yield started
    started.remove()


@dataclass(frozen=True)
class Small:
    """A root of busybox with Debian's users, for many runs: it takes no time to unpack."""

    archive: str
    """A tar, for ``cntr run``."""
    docker: str
    """The name that docker has for it."""


_APPLETS = ("echo", "env", "grep", "id", "pwd", "readlink", "touch", "tty")


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Small]:
    directory = tmp_path_factory.mktemp("small")
    root = busybox_root(directory)
    for name in _APPLETS:
        (root / "bin" / name).symlink_to("busybox")
    (root / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\ndaemon:x:1:1::/usr/sbin:/bin/false\n")
    (root / "etc/group").write_text("root:x:0:\ndaemon:x:1:\nstaff:x:50:\n")
    made = Small(str(directory / "small.tar"), f"cntr-test/small:{uuid.uuid4().hex[:8]}")
    subprocess.run(["tar", "-C", root, "-cf", made.archive, "."], check=True, timeout=60)
    subprocess.run(["docker", "import", made.archive, made.docker], check=True, capture_output=True, timeout=60)
    yield made
    subprocess.run(["docker", "rmi", "--force", made.docker], check=True, capture_output=True, timeout=60)


@pytest.fixture(params=list(KINDS))
def container(request: pytest.FixtureRequest, containers: Containers) -> Running:
    """Each kind in turn."""
    return containers.get(request.param)


@pytest.fixture
def debian(containers: Containers) -> Running:
    return containers.get("debian")


@pytest.fixture
def scratch(containers: Containers) -> Running:
    return containers.get("scratch")


@pytest.fixture(params=["pyfuse3", "direct", "kernel"])
def fs(request: pytest.FixtureRequest) -> str:
    """Each filesystem backend in turn."""
    return str(request.param)


@dataclass(frozen=True)
class State:
    """What a session must leave as it was. File descriptors count, the numbers of processes do not."""

    container_mounts: bytes
    host_mounts: bytes
    container_tmp: list[str]
    host_tmp: list[str]
    container_processes: list[tuple[int, str]]
    container_fds: list[str]


_NOT_OF_SESSIONS = ("cntr-coverage-", "cntr-test-", "cntr-shim-", "cntr-run-", "cntr-import-")
"""What the tests make in /tmp, and what a ``cntr slim`` does that runs at the same time."""
_OF_TESTS = (b"/pytest-of-", b"/cntr-test")
OF_OTHERS = (b"/docker/", b"/containers/", b"/containerd/", b"/netns/")
"""What the mounts of other containers have in their paths; like those of tests, they come and go at any time."""


def _whole(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def state_of(pid: int) -> State:
    from tests.support.cntr import living_in

    def read(path: str) -> bytes:
        with open(path, "rb") as file:
            return b"".join(line for line in file if not any(word in line for word in (*_OF_TESTS, *OF_OTHERS)))

    tmp = f"/proc/{pid}/root/tmp"
    return State(
        container_mounts=_whole(f"/proc/{pid}/mountinfo"),
        host_mounts=read("/proc/self/mountinfo"),
        container_tmp=sorted(os.listdir(tmp)) if os.path.isdir(tmp) else [],
        host_tmp=sorted(n for n in os.listdir("/tmp") if "cntr" in n and not n.startswith(_NOT_OF_SESSIONS)),
        container_fds=sorted(os.listdir(f"/proc/{pid}/fd")),
        container_processes=living_in(pid),
    )


def comes_back(pid: int, before: State) -> None:
    """Wait until all is as `before`; says what is not."""
    from tests.support.cntr import wait_until

    with contextlib.suppress(AssertionError):
        wait_until(lambda: state_of(pid) == before, "the container and the host are as before")
    assert state_of(pid) == before
