"""Mounts and unmounts while a session runs: it follows them, and the container never sees what the session does."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.session.conftest import OF_OTHERS
from tests.support.cntr import docker_pid, running, wait_until
from tests.support.images import DockerRun

pytestmark = pytest.mark.requires("root", "docker", "fuse")


@contextmanager
def _session(pid: int, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    with running("attach", f"pid://{pid}", *words, "--", "sh") as session:
        assert _ask(session, "echo ready") == "ready\n"
        yield session


def _ask(session: subprocess.Popen[bytes], line: str) -> str:
    """What a line of shell prints in the session."""
    assert session.stdin is not None
    assert session.stdout is not None
    session.stdin.write(f"{line}; echo .\n".encode())
    session.stdin.flush()
    printed = ""
    while not printed.endswith(".\n"):
        read = session.stdout.readline().decode()
        assert read, "the session has ended"
        printed += read
    return printed.removesuffix(".\n")


@pytest.fixture
def sharing(tmp_path: Path) -> Iterator[int]:
    """A process in a mount namespace of its own, whose mounts are shared; it has one at tmp_path/volume."""
    (tmp_path / "volume").mkdir()
    (tmp_path / "later").mkdir()
    script = f"mount -t tmpfs volume {tmp_path}/volume && touch {tmp_path}/volume/content && exec sleep 1000"
    line = ["unshare", "--mount", "--propagation", "private", "unshare", "--mount", "--propagation", "shared"]
    with subprocess.Popen([*line, "sh", "-c", script]) as process:
        try:
            wait_until(lambda: os.readlink(f"/proc/{process.pid}/exe").endswith("sleep"), "it runs")
            yield process.pid
        finally:
            process.kill()


def _inside(pid: int, *command: str) -> None:
    subprocess.run(["nsenter", f"--mount=/proc/{pid}/ns/mnt", *command], check=True, timeout=30)


def _mountinfo(pid: int) -> list[bytes]:
    """Its mounts, but for those of other containers, which come and go."""
    with open(f"/proc/{pid}/mountinfo", "rb") as file:
        return [line for line in file if not any(word in line for word in OF_OTHERS)]


def test_mounts_and_unmounts_of_the_container_happen_in_the_session(sharing: int, tmp_path: Path) -> None:
    before = _mountinfo(sharing)
    with _session(sharing) as session:
        assert _mountinfo(sharing) == before, "the container sees no mount of the session"
        place = f"/var/lib/cntr{tmp_path}"
        assert _ask(session, f"ls {place}/volume {place}/later").split() == [
            f"{place}/later:",
            f"{place}/volume:",
            "content",
        ]
        _inside(sharing, "umount", f"{tmp_path}/volume")
        assert _ask(session, f"ls {place}/volume") == ""
        _inside(sharing, "mount", "-t", "tmpfs", "later", f"{tmp_path}/later")
        _inside(sharing, "touch", f"{tmp_path}/later/new")
        assert _ask(session, f"ls {place}/later") == "new\n"
        _inside(sharing, "umount", f"{tmp_path}/later")
        assert _mountinfo(sharing) == [line for line in before if not line.split()[4].endswith(b"/volume")]


def test_what_the_session_mounts_stays_in_it(sharing: int, tmp_path: Path) -> None:
    before = _mountinfo(sharing)
    with _session(sharing, "--cap-add", "SYS_ADMIN") as session:
        place = f"/var/lib/cntr{tmp_path}/later"
        assert _ask(session, f"mount -t tmpfs mine {place} && touch {place}/mine && ls {place}") == "mine\n"
        assert _mountinfo(sharing) == before
        assert os.listdir(f"/proc/{sharing}/root{tmp_path}/later") == []


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A filesystem on a device of its own, at a place whose mounts the host shares."""
    outer, image = tmp_path / "outer", tmp_path / "image"
    outer.mkdir()
    image.touch()
    os.truncate(image, 1 << 20)
    subprocess.run(["mkfs.ext4", "-q", str(image)], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "outer", str(outer)], check=True)
    try:
        subprocess.run(["mount", "--make-shared", str(outer)], check=True)
        (outer / "disk").mkdir()
        subprocess.run(["mount", "-o", "loop", str(image), str(outer / "disk")], check=True)
        (outer / "disk/file").touch()
        yield outer / "disk"
    finally:
        subprocess.run(["umount", "--recursive", str(outer)], check=False)


def _backing(place: Path) -> str:
    """The kernel's file that tells what is behind the loop device at `place`: it goes with the last mount."""
    line = ["findmnt", "--noheadings", "--output", "SOURCE", str(place)]
    device = subprocess.run(line, check=True, capture_output=True, text=True, timeout=30).stdout.strip()
    return f"/sys/block/{os.path.basename(device)}/loop/backing_file"


@pytest.mark.parametrize("fs", ["pyfuse3", "direct", "kernel"])
def test_a_disk_that_the_host_unmounts_is_not_pinned_by_a_session(docker_run: DockerRun, disk: Path, fs: str) -> None:
    name = docker_run("debian", "--volume", f"{disk.parent}:/data:rslave", command=("sleep", "1000"))
    backing = _backing(disk)
    with _session(docker_pid(name), "--fs", fs) as session:
        assert _ask(session, "ls data/disk").split() == ["file", "lost+found"]
        assert os.path.exists(backing)
        subprocess.run(["umount", str(disk)], check=True)
        assert _ask(session, "ls data/disk") == ""
        wait_until(lambda: not os.path.exists(backing), "nobody keeps the disk")
