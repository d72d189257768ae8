"""``cntr cp`` as people use it: what is kept of files, whose they are, and what is said."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import msgspec
import pytest

from cntr_core.cli.answers import Copied
from tests.support.cntr import PROGRAM, cntr, docker_exec, docker_pid, environment
from tests.support.images import DockerRun
from tests.support.terminal import Terminal

pytestmark = pytest.mark.requires("root", "docker")


@pytest.fixture
def name(docker_run: DockerRun) -> str:
    return docker_run("debian", "--volume", "/data", "--tmpfs", "/scratch", command=("sleep", "1000000"))


def _copied(*words: str, **options: object) -> str:
    done = cntr("cp", *words, **options)  # type: ignore[arg-type]  # handed on
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout == b""
    return done.stderr.decode()


def test_there_and_back_again_keeps_what_files_are(name: str, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "sub").mkdir(parents=True)
    (tree / "file").write_text("content")
    os.link(tree / "file", tree / "sub/same")
    os.setxattr(tree / "file", "user.note", b"\0binary\xff")
    os.chown(tree / "file", 1234, 4321)
    (tree / "file").chmod(0o6755)
    os.utime(tree / "file", ns=(1, 1_500_000_000_123_456_789))
    (tree / "link").symlink_to("/absolute/\udcff")
    os.chown(tree / "link", 7, 8, follow_symlinks=False)
    with open(tree / "holes", "wb") as file:
        file.seek(1 << 30)
        file.write(b"end")
        file.truncate((1 << 30) + 5_000_000)
    (tree / "read-only").mkdir(mode=0o555)
    os.utime(tree / "sub", (1_400_000_000, 1_400_000_000))
    _copied("-a", str(tree), f"{name}:/data/")
    _copied("--archive", "--quiet", f"docker://{name}:/data/tree", str(tmp_path / "back"))
    back = tmp_path / "back"
    for path in (".", "file", "link", "holes", "sub", "read-only"):
        one, other = (tree / path).lstat(), (back / path).lstat()
        assert (one.st_mode, one.st_uid, one.st_gid) == (other.st_mode, other.st_uid, other.st_gid), path
        assert one.st_mtime_ns == other.st_mtime_ns, path
    assert os.readlink(back / "link") == "/absolute/\udcff"
    assert os.getxattr(back / "file", "user.note") == b"\0binary\xff"
    assert (back / "file").stat().st_ino == (back / "sub/same").stat().st_ino
    assert (back / "holes").stat().st_blocks < 1000
    assert subprocess.run(["cmp", tree / "holes", back / "holes"]).returncode == 0


def test_owners_are_the_containers_root_or_the_caller(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    os.chown(tmp_path / "file", 1000, 1000)
    _copied(str(tmp_path / "file"), f"{name}:/scratch/")
    assert docker_exec(name, "stat", "-c", "%u:%g", "/scratch/file").strip() == "0:0"
    docker_exec(name, "chown", "1000:1000", "/scratch/file")
    _copied(f"{name}:/scratch/file", str(tmp_path / "back"))
    assert (tmp_path / "back").stat().st_uid == 0


def test_paths_are_those_of_the_container(name: str, tmp_path: Path) -> None:
    """Relative ones count from its root; links and dots stay inside; a file that is mounted is written in place."""
    docker_exec(name, "ln", "-s", "/etc/hostname", "/srv/absolute")
    docker_exec(name, "ln", "-s", "../../../../../../etc", "/srv/up")
    own = docker_exec(name, "cat", "/etc/hostname")
    for path in ("etc/hostname", "/srv/up/hostname", "../../../etc/hostname"):
        _copied(f"{name}:{path}", str(tmp_path / "x"))
        assert (tmp_path / "x").read_text() == own
    _copied("-L", f"{name}:/srv/absolute", str(tmp_path / "y"))
    assert (tmp_path / "y").read_text() == own
    (tmp_path / "hosts").write_text("127.0.0.1 changed\n")
    _copied(str(tmp_path / "hosts"), f"{name}:/etc/hosts")
    assert docker_exec(name, "cat", "/etc/hosts") == "127.0.0.1 changed\n"


def test_neither_tar_nor_shell_is_wanted_and_a_pid_will_do(docker_run: DockerRun, tmp_path: Path) -> None:
    name = docker_run("busybox")
    (tmp_path / "file").write_text("x")
    _copied(str(tmp_path / "file"), f"pid://{docker_pid(name)}:/new")
    _copied(f"{docker_pid(name)}:/new", str(tmp_path / "back"))
    assert (tmp_path / "back").read_text() == "x"


def test_a_paused_container_is_copied_from(name: str, tmp_path: Path) -> None:
    subprocess.run(["docker", "pause", name], check=True, capture_output=True, timeout=60)
    try:
        _copied(f"{name}:/etc/hostname", str(tmp_path))
    finally:
        subprocess.run(["docker", "unpause", name], check=True, capture_output=True, timeout=60)
    assert (tmp_path / "hostname").exists()


def test_tars_pass_through_pipes(name: str, tmp_path: Path) -> None:
    script = f"""
        set -e -o pipefail
        {PROGRAM} cp {name}:/etc - | tar --extract --to-stdout etc/hostname
        tar --create --directory /etc hostname | {PROGRAM} cp - {name}:/srv
        {PROGRAM} cp {name}:/srv/hostname - | {PROGRAM} cp - {name}:/scratch
        {PROGRAM} cp {name}:/usr - | head --bytes 10 >/dev/null || echo $?
        for path in /etc/hostname /etc/hosts; do {PROGRAM} cp {name}:$path .; done
    """
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, env=environment(), capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode() == docker_exec(name, "cat", "/etc/hostname") + "141\n"
    assert docker_exec(name, "cat", "/scratch/hostname") == Path("/etc/hostname").read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["hostname", "hosts"]


def test_what_is_said(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("12345")
    assert _copied(str(tmp_path / "file"), f"{name}:/srv/") == f"cntr: copied 1 file (5 B) to {name}:/srv/\n"
    assert _copied("-q", str(tmp_path / "file"), f"{name}:/srv/") == ""
    done = cntr("cp", "--json", str(tmp_path), f"{name}:/srv/tree")
    assert done.stderr == b""
    said = json.loads(done.stdout)
    assert msgspec.convert(said, Copied, strict=True) == said  # as its schema says
    assert {k: said[k] for k in ("files", "directories", "others", "bytes", "left_out")} == {
        "files": 1, "directories": 1, "others": 0, "bytes": 5, "left_out": [],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("/etc/hosts", "/tmp/x"), "neither path is a container's"),
        (("NAME:/a", "NAME:/b"), "both paths are containers'"),
        (("NAME:/nowhere", "."), "'/nowhere': No such file or directory"),
        (("nobody-has-this:/a", "."), "container 'nobody-has-this' not found"),
        (("--json", "NAME:/etc", "-"), "a tar cannot be written there"),
        (("NAME:/etc/hosts", "/no/such/place"), "'/no/such/place': No such file or directory"),
        (("-", "NAME:/etc/hosts"), "the destination '/etc/hosts' of a tar is not a directory"),
    ],
)
def test_a_mistake_is_told_in_a_sentence(name: str, words: tuple[str, ...], said: str) -> None:
    refused = cntr("cp", *(word.replace("NAME", name) for word in words))
    assert refused.returncode == 125
    assert refused.stderr.decode().startswith(f"cntr: {said}")


def test_progress_is_shown_on_a_terminal_alone(name: str, tmp_path: Path) -> None:
    with open(tmp_path / "large", "wb") as file:
        os.posix_fallocate(file.fileno(), 0, 1 << 30)
    with Terminal() as terminal:
        line = [PROGRAM, "cp", str(tmp_path / "large"), f"{name}:/srv/"]
        done = subprocess.run(line, env=environment(), stderr=terminal.slave, timeout=120)
        assert done.returncode == 0
        printed = terminal.settle()
    assert re.search(rb"\rcntr: [01] files? \(", printed)
    assert printed.rstrip().endswith(f"copied 1 file (1.07 GB) to {name}:/srv/".encode())
