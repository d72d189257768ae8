"""What somebody has planted in the cache, or what broke there, is not taken for what cntr keeps: a filter of system
calls is among it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from cntr_core.kept import kept


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a value is kept: ``good``."""
    monkeypatch.setenv("CNTR_CACHE_DIR", f"{tmp_path}/cache")
    assert kept("things", b"key", lambda: b"good") == b"good"
    (found,) = (tmp_path / "cache" / "things").iterdir()
    return found


def _by_a_link(file: Path) -> None:
    moved = file.rename(file.parent.parent / "moved")
    file.symlink_to(moved)


def _by_a_fifo(file: Path) -> None:
    file.unlink()
    os.mkfifo(file, 0o600)


def _cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


def _flipped(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


def _below_a_link(file: Path) -> None:
    moved = file.parent.rename(file.parent.parent / "moved")
    file.parent.symlink_to(moved)


_PLANTED: list[Callable[[Path], None]] = [
    _by_a_link,
    _by_a_fifo,
    _cut,
    _flipped,
    _below_a_link,
    lambda file: file.write_bytes(b""),
    lambda file: file.write_bytes(b"\xff" * 100),
    lambda file: file.chmod(0o620),
    lambda file: file.chmod(0o602),
    lambda file: file.parent.chmod(0o770),
    lambda file: file.parent.chmod(0o1777),
]


@pytest.mark.parametrize("plant", _PLANTED)
def test_it_is_made_again(file: Path, plant: Callable[[Path], None]) -> None:
    plant(file)
    assert kept("things", b"key", lambda: b"made") == b"made"


@pytest.mark.requires("root")
@pytest.mark.parametrize("is_directory", [False, True])
def test_a_file_or_directory_of_another_user_is_not_read(file: Path, is_directory: bool) -> None:
    os.chown(file.parent if is_directory else file, 1234, 1234)
    assert kept("things", b"key", lambda: b"made") == b"made"
