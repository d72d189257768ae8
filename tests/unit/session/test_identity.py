"""Users by the container's own files, whatever these are."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cntr_core.errors import UsageError
from cntr_core.session.identity import User, parse_user


@pytest.fixture
def root(tmp_path: Path) -> Iterator[int]:
    fd = os.open(tmp_path, os.O_PATH | os.O_DIRECTORY)
    yield fd
    os.close(fd)


def test_numbers_need_no_files(root: int) -> None:
    assert parse_user("7", root) == User(7, 0, (0,))
    assert parse_user("7:8", root) == User(7, 8, (8,))


def test_names_need_them(root: int) -> None:
    with pytest.raises(UsageError, match="no user 'web'"):
        parse_user("web", root)


def test_rows_that_are_none_are_passed_over(root: int, tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text("web\nweb:x:many:1::/:\nweb:x:5:6::/:/bin/sh\n")
    (tmp_path / "etc/group").write_text("more:x:9:web,other\nothers:x:10:other\n")
    assert parse_user("web", root) == User(5, 6, (6, 9))
