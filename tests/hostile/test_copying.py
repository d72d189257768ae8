"""Copies to and from a container that does its worst: nothing outside of its root and the destination is touched."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import signal
import socket
import stat
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cntr_core import Container, ContainerProcess, ContainerState
from cntr_core.copying import CopyOptions, copy_in, copy_out
from cntr_core.engine import running_process
from cntr_core.errors import CopyError
from tests.support.cntr import PROGRAM, cntr, docker_pid, environment, wait_until
from tests.support.images import DockerRun

pytestmark = pytest.mark.requires("root", "docker")

_RENAME_EXCHANGE = 2  # linux/fs.h


class Victim:
    """A container whose root the tests change as its processes could."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.pid = docker_pid(name)
        self.root = Path(f"/proc/{self.pid}/root")

    @property
    def process(self) -> ContainerProcess:
        return running_process(Container("docker", self.name, self.name, ContainerState.RUNNING, self.pid))


@pytest.fixture
def victim(docker_run: DockerRun) -> Victim:
    return Victim(docker_run("debian", command=("sleep", "1000000")))


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A directory of the host, with a secret, whose path the container's links name."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/file").write_text("the host's secret")
    (tmp_path / "outside/sub").mkdir()
    (tmp_path / "outside/sub/file").write_text("the host's secret")
    return tmp_path / "outside"


@contextlib.contextmanager
def exchanging(one: Path, other: Path) -> Iterator[None]:
    """Swap the two names all the time, from another thread."""
    libc = ctypes.CDLL(None)
    ended = threading.Event()

    def swap() -> None:
        while not ended.is_set():
            libc.renameat2(-100, bytes(one), -100, bytes(other), _RENAME_EXCHANGE)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _contents(directory: Path) -> set[bytes]:
    found = set()
    for path in directory.rglob("*"):
        if stat.S_ISREG(path.lstat().st_mode):
            found.add(path.read_bytes())
    return found


def _snapshot(directory: Path) -> list[tuple[str, int, int]]:
    paths = [directory, *sorted(directory.rglob("*"))]
    return [(str(path), path.lstat().st_mtime_ns, path.lstat().st_mode) for path in paths]


def test_nothing_of_the_host_is_read_while_directories_become_links(
    victim: Victim, outside: Path, tmp_path: Path
) -> None:
    tree = victim.root / "srv/tree"
    (tree / "here/sub").mkdir(parents=True)
    (tree / "here/file").write_text("the container's")
    (tree / "here/sub/file").write_text("the container's")
    (tree / "link").symlink_to(outside)
    (tree / "up").symlink_to("../../../../../../../../../.." + str(outside))
    for name in ("link", "up"):
        with exchanging(tree / "here", tree / name):
            for number in range(25):
                for path in (b"/srv/tree", b"/srv/tree/here/.", b"/srv/tree/here/sub", b"/srv/tree/here/file"):
                    with contextlib.suppress(CopyError):
                        copy_out(victim.process, path, bytes(tmp_path / f"copy-{name}-{number}"))
    copies = set().union(*map(_contents, tmp_path.glob("copy-*")))
    assert copies <= {b"the container's"}
    assert copies, "some copies came to their end"


def test_nothing_of_the_host_is_written_while_directories_become_links(
    victim: Victim, outside: Path, tmp_path: Path
) -> None:
    before = _snapshot(outside)
    place = victim.root / "srv/place"
    (place / "tree/sub").mkdir(parents=True)
    (place / "link").symlink_to(outside)
    source = tmp_path / "tree"
    (source / "sub").mkdir(parents=True)
    for name in ("file", "sub/file", "sub/new"):
        (source / name).write_text("ours")
    (source / "sub/soft").symlink_to("x")
    os.mkfifo(source / "sub/fifo")
    with exchanging(place / "tree", place / "link"):
        for _ in range(40):
            for name, target in ((".", b"/srv/place"), ("sub", b"/srv/place/tree"), ("file", b"/srv/place/tree/file")):
                with contextlib.suppress(CopyError):
                    copy_in(victim.process, bytes(source / name), target, CopyOptions(archive=True))
    assert _snapshot(outside) == before
    assert (outside / "file").read_text() == "the host's secret"


def test_nothing_outside_of_a_shared_destination_is_written(victim: Victim, outside: Path, tmp_path: Path) -> None:
    """The destination may be a volume, in which the container swaps what it likes."""
    before = _snapshot(outside)
    (victim.root / "srv/tree/sub").mkdir(parents=True)
    for name in ("file", "sub/file", "sub/other"):
        (victim.root / "srv/tree" / name).write_text("copied")
    shared = tmp_path / "shared"
    (shared / "tree/sub").mkdir(parents=True)
    (shared / "link").symlink_to(outside)
    with exchanging(shared / "tree/sub", shared / "link"):
        for _ in range(40):
            with contextlib.suppress(CopyError):
                copy_out(victim.process, b"/srv/tree", bytes(shared))
    assert _snapshot(outside) == before


@pytest.mark.parametrize("path", ["/proc/1/root/etc/hostname", "/proc/self/root", "/proc/1/cwd/etc", "/proc/self/fd/0"])
def test_links_of_proc_lead_nowhere(victim: Victim, tmp_path: Path, path: str) -> None:
    refused = cntr("cp", "-L", f"docker://{victim.name}:{path}", str(tmp_path))
    assert refused.returncode == 125
    assert not list(tmp_path.iterdir())
    refused = cntr("cp", "/etc/hostname", f"docker://{victim.name}:{path}/x")
    assert refused.returncode == 125


def _member(name: str, kind: bytes = tarfile.REGTYPE, content: bytes = b"", **fields: object) -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, len(content)
    for field, value in fields.items():
        setattr(info, field, value)
    return info.tobuf(tarfile.PAX_FORMAT) + content.ljust(-(-len(content) // 512) * 512, b"\0")


HOSTILE = {
    "up": _member("../escaped", content=b"x"),
    "deep up": _member("a/../../escaped", content=b"x"),
    "hard link up": _member("x", tarfile.LNKTYPE, linkname="../../etc/passwd"),
    "hard link by a link": _member("l", tarfile.SYMTYPE, linkname="/etc")
    + _member("x", tarfile.LNKTYPE, linkname="l/passwd"),
    "hard link to itself": _member("x", tarfile.LNKTYPE, linkname="x"),
    "directory over a file": _member("a", content=b"x") + _member("a", tarfile.DIRTYPE),
    "file over a directory": _member("a", tarfile.DIRTYPE) + _member("a", content=b"x"),
    "cut off": _member("a", content=b"x" * 5000)[:3000],
    "no tar": b"this is no tar\n" * 100,
    "empty": b"",
    "huge header": _member("a", tarfile.XHDTYPE, size=1 << 40),
    "impossible size": _member("a")[:124] + b"\xff" * 12 + _member("a")[136:],
    "unknown type": _member("a", b"Z"),
    "damaged": bytes(_member("a", content=b"x"))[:100] + b"\xee" + bytes(_member("a", content=b"x"))[101:],
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_a_hostile_tar_on_stdin_is_refused_in_a_sentence(victim: Victim, name: str) -> None:
    place = victim.root / "srv/place"
    place.mkdir()
    refused = cntr("cp", "-", f"docker://{victim.name}:/srv/place", stdin=HOSTILE[name])
    assert refused.returncode == 125
    assert refused.stderr.startswith(b"cntr: "), refused.stderr
    assert b"Traceback" not in refused.stderr
    assert b"unexpected" not in refused.stderr
    assert not (victim.root / "srv/escaped").exists()
    assert [p.name for p in place.rglob("*") if p.name.startswith(".cntr")] == []
    assert {p.name for p in (victim.root / "srv").iterdir()} == {"place"}


def test_absolute_names_links_and_devices_of_a_tar_stay_inside(victim: Victim, tmp_path: Path) -> None:
    place = victim.root / "srv/place"
    place.mkdir()
    witness = tmp_path / "witness"
    tar = b"".join(
        [
            _member(f"/{witness}", content=b"x"),
            _member("link", tarfile.SYMTYPE, linkname=str(tmp_path)),
            _member("link/through", content=b"x"),
            _member("sub/hard", tarfile.LNKTYPE, linkname=f"/{witness}"),
            _member("disk", tarfile.BLKTYPE, devmajor=8, devminor=0),
        ]
    )
    # A directory that the tar takes for granted may be a link, as with docker: it is followed inside of the root.
    (victim.root / str(tmp_path).lstrip("/")).mkdir(parents=True)
    done = cntr("cp", "-", f"docker://{victim.name}:/srv/place", stdin=tar)
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == []
    assert (place / str(witness).lstrip("/")).read_bytes() == b"x"
    assert (place / "sub/hard").read_bytes() == b"x"
    assert stat.S_ISBLK((place / "disk").stat().st_mode)
    assert Path(f"{victim.root}{tmp_path}/through").read_bytes() == b"x"


def test_what_has_no_end_is_not_read(victim: Victim, tmp_path: Path) -> None:
    tree = victim.root / "srv/tree"
    tree.mkdir()
    os.mkfifo(tree / "blocks")
    os.mknod(tree / "zero", stat.S_IFCHR | 0o666, os.makedev(1, 5))
    (tree / "grows").write_text("start\n")
    (tree / "secrets").symlink_to("/proc/kcore")
    with open(tree / "grows", "ab", buffering=0) as file:
        ended = threading.Event()

        def grow() -> None:
            while not ended.is_set() and file.tell() < 1 << 30:
                file.write(bytes(1 << 16))

        thread = threading.Thread(target=grow)
        thread.start()
        try:
            done = cntr("cp", f"docker://{victim.name}:/srv/tree", str(tmp_path / "copy"), timeout=50)
        finally:
            ended.set()
            thread.join()
    assert done.returncode == 0, done.stderr
    assert stat.S_ISFIFO((tmp_path / "copy/blocks").lstat().st_mode)
    assert stat.S_ISCHR((tmp_path / "copy/zero").lstat().st_mode)
    assert (tmp_path / "copy/grows").read_bytes().startswith(b"start\n")


@pytest.mark.parametrize("path", ["/proc/cpuinfo", "/proc", "/sys/kernel", "/proc/1/environ", "/dev/pts"])
def test_the_kernels_own_files_are_refused_in_a_sentence(victim: Victim, tmp_path: Path, path: str) -> None:
    refused = cntr("cp", f"docker://{victim.name}:{path}", str(tmp_path))
    assert refused.returncode == 125
    assert b"the kernel's own" in refused.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_whole_root_comes_without_the_kernels_filesystems(docker_run: DockerRun, tmp_path: Path) -> None:
    name = docker_run("busybox")
    done = cntr("cp", f"docker://{name}:/", str(tmp_path / "root"))
    assert done.returncode == 0, done.stderr
    assert b"left out './proc'" in done.stderr
    assert (tmp_path / "root/bin/busybox").stat().st_size > 1 << 16
    assert list((tmp_path / "root/proc").iterdir()) == []


def test_names_are_shown_without_what_moves_a_terminal(victim: Victim, tmp_path: Path) -> None:
    evil = "evil\n\x1b[2J\x07name"
    (victim.root / "srv" / evil).mkdir()
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as listener:
        directory = os.open(victim.root / "srv" / evil, os.O_PATH)
        listener.bind(f"/proc/self/fd/{directory}/socket")
        os.close(directory)
    done = cntr("cp", f"docker://{victim.name}:/srv/{evil}", str(tmp_path / "copy"))
    assert done.returncode == 0
    assert b"socket" in done.stderr
    assert not re.search(rb"[\x00-\x09\x0b-\x1f\x7f]", done.stderr)
    assert done.stderr.count(b"\n") == 2
    (tmp_path / "copy").rmdir()
    (tmp_path / "copy").write_text("")
    refused = cntr("cp", f"docker://{victim.name}:/srv/{evil}", str(tmp_path / "copy"))
    assert refused.returncode == 125
    assert b"\x1b" not in refused.stderr


def test_a_tree_that_is_nested_for_ever_is_refused_or_copied(victim: Victim, tmp_path: Path) -> None:
    here = os.open(victim.root / "srv", os.O_PATH)
    for _ in range(3000):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_PATH, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    refused = cntr("cp", f"docker://{victim.name}:/srv/d", str(tmp_path / "copy"))
    assert refused.returncode == 125
    assert refused.stderr.startswith(b"cntr: "), refused.stderr
    assert b"Traceback" not in refused.stderr
    subprocess.run(["rm", "-rf", tmp_path / "copy"], check=True, timeout=60)


def test_set_user_id_programs_and_devices_of_others_do_no_harm_on_the_host(victim: Victim, tmp_path: Path) -> None:
    program = victim.root / "srv/program"
    program.write_text("#!/bin/sh\n")
    os.chown(program, 1000, 1000)
    program.chmod(0o6755)
    os.mknod(victim.root / "srv/disk", stat.S_IFBLK | 0o666, os.makedev(8, 0))
    os.chmod(victim.root / "srv/disk", 0o666)
    os.chown(victim.root / "srv/disk", 1000, 1000)
    target = f"docker://{victim.name}:/srv/."
    assert cntr("cp", target, str(tmp_path / "plain")).returncode == 0
    assert stat.S_IMODE((tmp_path / "plain/program").stat().st_mode) == 0o755
    assert (tmp_path / "plain/program").stat().st_uid == 0
    assert stat.S_IMODE((tmp_path / "plain/disk").stat().st_mode) == 0o600
    assert cntr("cp", "-a", target, str(tmp_path / "archive")).returncode == 0
    status = (tmp_path / "archive/program").stat()
    assert (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) == (0o6755, 1000, 1000)


def _peak(line: list[str], **options: object) -> int:
    """The most memory of a command, in kilobytes."""
    process = subprocess.Popen(line, env=environment(), **options)  # type: ignore[call-overload]  # handed on
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return int(usage.ru_maxrss)


def test_large_files_and_many_files_take_no_memory(victim: Victim, tmp_path: Path) -> None:
    target = f"docker://{victim.name}:/srv/"
    (tmp_path / "small").write_text("x")
    least = _peak([PROGRAM, "cp", str(tmp_path / "small"), target])
    with open(tmp_path / "large", "wb") as file:
        for _ in range(300):
            file.write(os.urandom(1 << 20))
    assert _peak([PROGRAM, "cp", str(tmp_path / "large"), target]) < least + 20_000
    assert _peak([PROGRAM, "cp", f"{target}large", str(tmp_path / "back")]) < least + 20_000
    assert subprocess.run(["cmp", tmp_path / "large", tmp_path / "back"]).returncode == 0
    with subprocess.Popen(["tar", "c", "-C", tmp_path, "large"], stdout=subprocess.PIPE) as tar:
        assert _peak([PROGRAM, "cp", "-", target], stdin=tar.stdout) < least + 20_000


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_copy_out_leaves_no_part_of_a_file(victim: Victim, tmp_path: Path, number: int) -> None:
    (victim.root / "srv/large").write_bytes(b"x" * (1 << 20))
    os.truncate(victim.root / "srv/large", 0)
    with open(victim.root / "srv/large", "wb") as file:
        os.posix_fallocate(file.fileno(), 0, 3 << 30)
    line = [PROGRAM, "cp", f"docker://{victim.name}:/srv/large", str(tmp_path)]
    process = subprocess.Popen(line, env=environment(), stderr=subprocess.PIPE, start_new_session=True)
    try:
        wait_until(lambda: any(p.name.startswith(".cntr-cp-") for p in tmp_path.iterdir()), "the copy begins", 30)
        os.killpg(process.pid, number)
        _, said = process.communicate(timeout=20)
    finally:
        process.kill()
        (victim.root / "srv/large").unlink()
    assert process.returncode == 128 + number
    assert b"interrupted after 0 files" in said
    assert b"what was written of 'large' is removed" in said
    assert b"Traceback" not in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_copy_in_leaves_no_part_of_a_file(victim: Victim, number: int) -> None:
    place = victim.root / "srv"
    head = _member("whole", content=b"x") + _member("part", content=b"x" * 1_000_000)[:300_000]
    line = [PROGRAM, "cp", "-", f"docker://{victim.name}:/srv"]
    process = subprocess.Popen(
        line, env=environment(), stdin=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    try:
        assert process.stdin is not None
        process.stdin.write(head)
        process.stdin.flush()
        wait_until(lambda: any(p.name.startswith(".cntr-cp-") for p in place.iterdir()), "the copy begins", 30)
        os.killpg(process.pid, number)
        process.wait(20)
        assert process.stderr is not None
        said = process.stderr.read()
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 128 + number
    assert b"Traceback" not in said
    wait_until(lambda: {p.name for p in place.iterdir()} == {"whole"}, "what is not whole goes", 10)


def test_a_killed_copy_in_leaves_no_part_of_a_file(victim: Victim) -> None:
    place = victim.root / "srv"
    head = _member("part", content=b"x" * 1_000_000)[:300_000]
    line = [PROGRAM, "cp", "-", f"docker://{victim.name}:/srv"]
    process = subprocess.Popen(line, env=environment(), stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        assert process.stdin is not None
        process.stdin.write(head)
        process.stdin.flush()
        wait_until(lambda: any(p.name.startswith(".cntr-cp-") for p in place.iterdir()), "the copy begins", 30)
    finally:
        process.kill()
        process.communicate()
    wait_until(lambda: list(place.iterdir()) == [], "what is not whole goes", 10)


def test_a_destination_that_is_full_or_read_only_is_told(docker_run: DockerRun, tmp_path: Path) -> None:
    name = docker_run("debian", "--read-only", "--tmpfs", "/small:size=1m", command=("sleep", "1000000"))
    (tmp_path / "large").write_bytes(bytes(1 << 22) + b"x")
    (tmp_path / "large").write_bytes(os.urandom(1 << 22))
    refused = cntr("cp", str(tmp_path / "large"), f"docker://{name}:/root/large")
    assert refused.returncode == 125
    assert b"Read-only file system" in refused.stderr
    assert b"hint: " in refused.stderr
    refused = cntr("cp", str(tmp_path / "large"), f"docker://{name}:/small/large")
    assert refused.returncode == 125
    assert b"No space left on device" in refused.stderr
    assert list(Path(f"/proc/{docker_pid(name)}/root/small").iterdir()) == []
