"""What the kernel need not ask the server that speaks its protocol."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from cntr_plugins.fs.direct.requests import Header, Requests

from tests.mounted.mounting import mounted

pytestmark = pytest.mark.requires("root", "fuse")


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], int]:
    """Tells how many messages of a kind the server has had. They are answered all the same."""
    messages = tmp_path / "messages"
    messages.touch()

    def noting(name: str, answer: Callable[[Requests, Header, memoryview], bytes]) -> object:
        def noted(requests: Requests, header: Header, body: memoryview) -> bytes:
            with messages.open("a") as file:
                file.write(f"{name}\n")
            return answer(requests, header, body)

        return noted

    for name in ("lookup", "getattr"):
        monkeypatch.setattr(Requests, name, noting(name, getattr(Requests, name)))
    return lambda name: messages.read_text().splitlines().count(name)


def test_what_was_listed_is_not_asked_for_by_name(tmp_path: Path, asked: Callable[[str], int]) -> None:
    """Also of a directory whose names take several messages, all of which come before the first of stat(2)."""
    (tmp_path / "tree").mkdir()
    for number in range(2000):
        (tmp_path / f"tree/{number:0100}").touch()
    with mounted("direct", tmp_path / "place", tmp_path / "tree"):
        for name in os.listdir(tmp_path / "place"):
            assert (tmp_path / "place" / name).stat().st_size == 0
        assert asked("lookup") < 20


def test_a_new_file_is_not_asked_about(tmp_path: Path, asked: Callable[[str], int]) -> None:
    """But its directory is, which has changed."""
    (tmp_path / "tree").mkdir()
    with mounted("direct", tmp_path / "place", tmp_path / "tree", read_only=False):
        for number in range(100):
            os.close(os.open(tmp_path / f"place/{number}", os.O_WRONLY | os.O_CREAT | os.O_EXCL))
        assert asked("getattr") < 120
