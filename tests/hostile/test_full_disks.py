"""Filesystems that are full, and files that may not grow: the place is named, and nothing partial is left."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.slim.conftest import MakeApp, Slim, app, slim
from tests.support.cntr import PROGRAM, wait_until
from tests.unit.images.layouts import MemberSpec, directory, file, layout, tar

__all__ = ["app", "slim"]

pytestmark = pytest.mark.requires("root", "fuse", "overlayfs", "runc", "busybox")

HANG = 120


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A filesystem of 256 kB with 64 inodes."""
    with _tmpfs(tmp_path / "small", "size=256k,nr_inodes=64") as place:
        yield place


@contextmanager
def _tmpfs(place: Path, options: str) -> Iterator[Path]:
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], check=True)
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.fixture
def quota(tmp_path: Path) -> Iterator[Path]:
    """A filesystem with much room, of which a quota leaves 4 MB; root is not exempted, as by the quota of ext4."""
    device, place = tmp_path / "device", tmp_path / "quota"
    place.mkdir()
    device.touch()
    os.truncate(device, 120 << 20)
    for line in (
        ("mkfs.btrfs", "-q", device),
        ("mount", "-o", "loop", device, place),
        ("btrfs", "quota", "enable", place),
    ):
        subprocess.run(line, check=True, capture_output=True)
    subprocess.run(["btrfs", "qgroup", "limit", "4M", place], check=True)
    yield place
    subprocess.run(["umount", str(place)], check=True)


def _image(place: Path, *members: MemberSpec, compressed: bool = False) -> str:
    return layout(place / "image", tar(*members), compression="gzip" if compressed else "", config={"Cmd": ["/x"]})


def _limited(slim: Slim, blocks: int, *words: str) -> subprocess.CompletedProcess[str]:
    """A command whose files may have so many blocks of 512 bytes."""
    line = ["sh", "-c", f'ulimit -f {blocks}; exec "$@"', "sh", PROGRAM, *words]
    return subprocess.run(
        line,
        cwd=slim.place,
        env=slim.environment,
        capture_output=True,
        text=True,
        timeout=HANG,
        stdin=subprocess.DEVNULL,
    )


def _told(done: subprocess.CompletedProcess[str], *words: str) -> None:
    """One sentence with `words`, and a hint."""
    sentence, hint = done.stderr.splitlines()[-2:]
    assert done.returncode == 125 and all(word in sentence for word in words) and "hint: " in hint, done.stderr
    assert "Traceback" not in done.stderr and "--debug" not in done.stderr


LARGE = file("x", os.urandom(1 << 20), mode=0o755)
MANY = [file(f"f{number}", b"") for number in range(100)]


@pytest.mark.parametrize("members", [[LARGE], MANY], ids=["bytes", "inodes"])
def test_the_place_of_containers_is_full(slim: Slim, small: Path, members: list[MemberSpec]) -> None:
    slim.environment["CNTR_STATE_DIR"] = str(small / "state")
    done = slim.cntr("run", "--rm", _image(slim.place, *members))
    _told(done, f"{small}/", f"(tmpfs at {small})")
    assert not (small / "state").exists()


def test_the_last_block_of_the_place_of_containers(slim: Slim, small: Path) -> None:
    """There is room for the image, and none for what is written beside it."""
    slim.environment["CNTR_STATE_DIR"] = str(small / "state")
    image = _image(slim.place, file("x", b"", mode=0o755))
    (small / "rest").write_bytes(bytes((256 << 10) - 3 * 4096))
    done = slim.cntr("run", "--rm", image)
    _told(done, f"{small}/state", f"(tmpfs at {small}) cannot be written: No space left on device")
    assert os.listdir(small) == ["rest"]


def test_the_cache_is_full(slim: Slim, small: Path) -> None:
    slim.environment["CNTR_CACHE_DIR"] = str(small / "cache")
    image = _image(slim.place, LARGE, compressed=True)
    _told(slim.cntr("attach", "--image", image, "--", "true"), f"{small}/cache", f"(tmpfs at {small})")
    _told(_limited(slim, 256, "attach", "--image", image, "--", "true"), f"{small}/cache", f"(tmpfs at {small})")
    assert not [path for path in small.rglob("*") if path.is_file() and path.name != ".lock"]


def test_the_place_of_a_log_is_full(slim: Slim, app: MakeApp) -> None:
    """A container writes more than there is room for, and goes on when there is room again."""
    busybox = file("bin/busybox", Path("/bin/busybox").read_bytes(), mode=0o755)
    script = "busybox head -c 12000000 /dev/zero; rm /filler; while :; do echo on; sleep 0.1; done"
    image = app(script, busybox, file("filler", bytes(1 << 20)))
    with _tmpfs(slim.place / "few", "size=8m") as place:
        slim.environment["CNTR_STATE_DIR"] = str(place)
        started = slim.cntr("run", "--detach", "--name", "box", image)
        assert started.returncode == 0, started.stderr
        try:
            log = place / "box/log"
            wait_until(lambda: log.read_bytes().endswith(b"on\n"), "room")
            assert log.read_bytes().count(b"\ncntr: output is lost here: No space left on device\n") == 1
        finally:
            slim.cntr("stop", "--timeout", "0", "box")


@pytest.mark.parametrize("members", [[LARGE], MANY], ids=["bytes", "inodes"])
def test_the_temporary_place_is_full(slim: Slim, app: MakeApp, small: Path, members: list[MemberSpec]) -> None:
    slim.environment["TMPDIR"] = str(small)
    _told(slim.cntr("slim", app("exit 0", *members), "-o", "out.tar"), str(small), f"tmpfs at {small}")
    assert os.listdir(small) == []


def test_files_may_not_grow(slim: Slim, app: MakeApp) -> None:
    """What a quota and a filesystem's largest file do, too: the refusal comes in the middle of a write."""
    image = app("exit 0", LARGE)
    _told(_limited(slim, 256, "slim", image, "-o", "out.tar"), str(slim.temporary), "File too large")
    _told(_limited(slim, 256, "run", "--rm", image), str(slim.place / "state"), "File too large")
    archive = _image(slim.place / "two", LARGE, compressed=True)
    _told(_limited(slim, 256, "run", "--rm", archive), "File too large")
    assert not (slim.place / "out.tar").exists() and not (slim.place / "state").exists()


@pytest.mark.requires("btrfs")
def test_a_quota_is_used_up(slim: Slim, app: MakeApp, quota: Path) -> None:
    """EDQUOT, wherever we write."""
    words = f"(btrfs at {quota})", "Disk quota exceeded"
    large = file("large", os.urandom(8 << 20))
    packed = _image(slim.place / "packed", large, file("x", b"", mode=0o755), compressed=True)
    image, temporary = app("cat /large >/dev/null", large), slim.environment["TMPDIR"]
    for variable, line in {
        "CNTR_STATE_DIR": ("run", "--rm", packed),
        "CNTR_CACHE_DIR": ("attach", "--image", packed, "--", "true"),
        "TMPDIR": ("slim", image, "-o", "out.tar"),
    }.items():
        slim.environment[variable] = str(quota / variable)
        (quota / variable).mkdir()
        _told(slim.cntr(*line), f"{quota}/{variable}", *words)
        del slim.environment[variable]
    slim.environment["TMPDIR"] = temporary
    _told(slim.cntr("slim", image, "-o", f"{quota}/out.tar"), f"{quota}/out.tar", *words)
    assert [path.name for path in quota.rglob("*") if path.is_file() and path.stat().st_size] == []


def test_the_output_is_full(slim: Slim, app: MakeApp, small: Path) -> None:
    image = app("exit 0", LARGE, file("kept", os.urandom(1 << 19)))
    _told(slim.cntr("slim", image, "-o", f"{small}/out.tar"), str(small), f"tmpfs at {small}")
    slim.made(image)
    _told(
        slim.cntr("join", "out.tar", "-o", f"{small}/out.tar"), f"{small}/out.tar (tmpfs at {small}) cannot be written"
    )
    (small / "rest").write_bytes(bytes(256 << 10))
    for words in (
        ("trace", "run", image, "-o", f"{small}/trace"),
        ("slim", image, "-o", "o.tar", "--report", f"{small}/r"),
    ):
        _told(slim.cntr(*words), f"{small}/", f"(tmpfs at {small})")
    assert {path.name for path in small.rglob("*") if path.is_file()} <= {"rest"}


@pytest.mark.parametrize("words", [("list", "--json"), ("doctor",)])
def test_stdout_is_full(slim: Slim, small: Path, words: tuple[str, ...]) -> None:
    (small / "rest").write_bytes(bytes(256 << 10))
    with open(small / "answer", "wb") as file:
        done = subprocess.run(
            [PROGRAM, *words], stdout=file, stderr=subprocess.PIPE, text=True, env=slim.environment, timeout=HANG
        )
    _told(done, f"{small}/answer (tmpfs at {small}) cannot be written: No space left on device")


def test_a_copy_to_a_full_place(slim: Slim, small: Path) -> None:
    slim.environment["CNTR_STATE_DIR"] = str(slim.place / "state")
    image = layout(
        slim.place / "image",
        tar(
            directory("bin"),
            file("bin/sh", Path("/bin/busybox").read_bytes(), mode=0o755),
            file("large", os.urandom(1 << 20)),
        ),
        config={"Cmd": ["/bin/sh", "-c", "read x"]},
    )
    started = slim.cntr("run", "-di", "--name", "box", image)
    assert started.returncode == 0, started.stderr
    try:
        _told(
            slim.cntr("cp", "oci://box:/large", f"{small}/large"), "'large' cannot be written in", f"tmpfs at {small}"
        )
        assert os.listdir(small) == []
    finally:
        slim.cntr("stop", "--timeout", "0", "box")
