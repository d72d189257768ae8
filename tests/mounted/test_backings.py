"""What FUSE passthrough keeps of files below: for how long, and never of another file."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from cntr_plugins.fs.direct import passthrough
from cntr_plugins.fs.direct.protocol import BACKING_CLOSE, BACKING_OPEN

from tests.mounted.mounting import mounted

pytestmark = pytest.mark.requires("root", "fuse", "linux-6.9")


@pytest.fixture
def registered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], int]:
    """Tells how often the server has made a call of ioctl(2), which is made all the same."""
    calls = tmp_path / "calls"
    calls.touch()

    def ioctl(fd: int, command: int, argument: bytes) -> int | bytes:
        with calls.open("a") as file:
            file.write(f"{command}\n")
        return fcntl.ioctl(fd, command, argument)

    monkeypatch.setattr(passthrough, "fcntl", SimpleNamespace(ioctl=ioctl))
    return lambda command: calls.read_text().splitlines().count(str(command))


@pytest.fixture
def place(tmp_path: Path, registered: Callable[[int], int]) -> Iterator[Path]:  # noqa: ARG001 - first
    tree = tmp_path / "tree"
    tree.mkdir()
    for number in range(10):
        (tree / str(number)).write_text(str(number))
    with mounted("direct", tmp_path / "mount", tree, read_only=False):
        yield tmp_path / "mount"


def _comes(condition: Callable[[], bool]) -> bool:
    """Whether it becomes true: closing a file waits for nobody."""
    end = time.monotonic() + 10
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()


def test_a_file_that_is_opened_again_is_registered_once(place: Path, registered: Callable[[int], int]) -> None:
    for turn in range(5):
        with (place / "0").open("r+") as file:
            assert file.read() == (str(turn - 1) if turn else "0")
            file.seek(0)
            file.write(str(turn))
    assert registered(BACKING_OPEN) == 1


def test_what_is_removed_or_too_much_is_given_back(
    tmp_path: Path, registered: Callable[[int], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passthrough, "_MOST_IDLE", 4)
    tree, place = tmp_path / "tree", tmp_path / "mount"
    tree.mkdir()
    with mounted("direct", place, tree, read_only=False):
        for number in range(10):
            (place / str(number)).write_text(str(number))
        assert _comes(lambda: registered(BACKING_CLOSE) == 6)
        for number in range(10):
            (place / str(number)).unlink()
        assert _comes(lambda: registered(BACKING_CLOSE) == 10)


def test_a_file_that_is_copied_up_is_another_one_from_then_on(tmp_path: Path) -> None:
    top, below, place = tmp_path / "top", tmp_path / "below", tmp_path / "mount"
    top.mkdir()
    below.mkdir()
    (below / "file").write_text("below")
    with mounted("direct", place, top, below, read_only=False):
        assert (place / "file").read_text() == "below"
        with (place / "file").open("a") as file:
            file.write(" and above")
        assert (place / "file").read_text() == "below and above"
        assert (top / "file").read_text() == "below and above"
    assert (below / "file").read_text() == "below"


def test_a_file_that_is_replaced_below_is_read_anew(place: Path, tmp_path: Path) -> None:
    assert (place / "1").read_text() == "1"
    (tmp_path / "new").write_text("another")
    os.rename(tmp_path / "new", tmp_path / "tree/1")
    assert _comes(lambda: (place / "1").read_text() == "another")
