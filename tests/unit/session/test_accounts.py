"""Users by the container's own files, whatever these say."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cntr_core.errors import UsageError
from cntr_core.session.accounts import User, as_shown, described, is_harmless_place, parse_user, shown


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    (tmp_path / "etc").mkdir()
    return tmp_path / "etc"


@pytest.fixture
def root(etc: Path) -> Iterator[int]:
    fd = os.open(etc.parent, os.O_PATH | os.O_DIRECTORY)
    yield fd
    os.close(fd)


def test_numbers_need_no_files(root: int) -> None:
    assert parse_user("7", root) == User(7, 0, (0,))
    assert parse_user("7:8", root) == User(7, 8, (8,))


def test_names_need_them(root: int) -> None:
    with pytest.raises(UsageError, match="no user 'web'"):
        parse_user("web", root)


def test_rows_that_are_none_are_passed_over(root: int, etc: Path) -> None:
    (etc / "passwd").write_text("web\nweb:x:many:1::/:\nweb:x:5:6::/srv:/bin/sh\n")
    (etc / "group").write_text("more:x:9:web,other\nothers:x:10:other\n")
    assert parse_user("web", root) == User(5, 6, (6, 9), b"web", b"/srv")


def test_name_and_home_are_those_of_the_row_that_was_named(root: int, etc: Path) -> None:
    (etc / "passwd").write_text("root:x:0:0::/root:/bin/sh\ntoor:x:0:0::/toor:/bin/sh\n")
    assert parse_user("toor", root).home == b"/toor"
    assert as_shown(parse_user("toor", root), shown(root, User(0, 0, ()))).home == b"/toor"
    assert described(User(0, 0, ()), root) == User(0, 0, (), b"root", b"/root")
    assert described(User(1, 0, ()), root) == User(1, 0, ())


def test_ordinary_files_are_shown_as_they_are(root: int, etc: Path) -> None:
    passwd = "root:x:0:0:root:/root:/bin/bash\n_apt:x:42:65534:Grüße:/nonexistent:/bin/false\nx.y-z$:x:1:1::/srv/a:\n"
    (etc / "passwd").write_text(passwd.replace("a:\n", "a:/bin/sh\n"))
    (etc / "group").write_text("root:x:0:\nadm:x:4:root,x\n")
    files = shown(root, User(0, 0, ()))
    assert files == {path: (etc.parent / path).read_bytes() for path in ("etc/passwd", "etc/group")}


@pytest.mark.parametrize("name", ["$(id)", "`id`", "a b", "a\\b", "\x1b[2J", "a\u202eb", "-x", "+", "", "$x", "a'b"])
def test_names_that_a_prompt_would_run_or_a_terminal_obey_are_not_shown(root: int, etc: Path, name: str) -> None:
    (etc / "passwd").write_text(f"{name}:x:0:0::/root:/bin/sh\napp:x:1:1::/app:/bin/sh\n")
    (etc / "group").write_text(f"{name}:x:0:\napp:x:1:\n")
    files = shown(root, User(0, 0, ()))
    assert files == {"etc/passwd": b"app:x:1:1::/app:/bin/sh\n", "etc/group": b"app:x:1:\n"}
    assert as_shown(User(0, 0, (), name.encode()), files) == User(0, 0, ())


def test_homes_and_shells_in_the_containers_files_are_not_shown(root: int, etc: Path) -> None:
    (etc / "passwd").write_text("root:x:0:0:\x1b[2J:/var/lib/cntr/evil:/proc/1/root/bin/evil\n")
    assert shown(root, User(0, 0, ()))["etc/passwd"] == b"root:x:0:0::/:/bin/sh\n"


@pytest.mark.parametrize(
    "place",
    ["/var/lib/cntr", "/var/lib/cntr/x", "//var/./lib//cntr/", "/proc/1/root", "/dev/shm", "/sys", "/run/../proc/1",
     "relative", "", "~", "/a/.."],
)  # fmt: skip
def test_places_of_the_containers_files(place: str) -> None:
    assert not is_harmless_place(place.encode())


@pytest.mark.parametrize("place", ["/", "/root", "/home/app", "/var/lib/cntrs", "/devel", "/var/lib", "/..x"])
def test_places_of_the_tools(place: str) -> None:
    assert is_harmless_place(place.encode())


def test_a_container_without_users_gets_stand_ins(root: int) -> None:
    files = shown(root, User(1234, 99, (99,)))
    assert [line.split(b":")[2] for line in files["etc/passwd"].splitlines()] == [b"0", b"1234", b"65534"]
    assert files["etc/group"] == b"root:x:0:\ncntr:x:99:\nnogroup:x:65534:\n"
    assert as_shown(User(0, 0, (0,)), files).home == b"/root"


def test_a_device_a_fifo_or_a_giant_in_place_of_the_files(root: int, etc: Path) -> None:
    os.mkfifo(etc / "passwd")
    (etc / "group").write_bytes(b"x:x:1:\n" * (1 << 20))
    assert shown(root, User(0, 0, (0,)))["etc/passwd"].startswith(b"root:x:0:0:root:/root:")
    assert described(User(1, 1, ()), root) == User(1, 1, ())
