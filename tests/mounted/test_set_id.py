"""Set-ID bits go or stay exactly as on a plain directory: who writes, how, and what was open before."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.mounted.actors import Actor
from tests.mounted.mounting import mounted

pytestmark = pytest.mark.requires("root", "fuse", "linux-6.9")

WRITES = [
    ("write", b"x", 0),
    ("ftruncate", 1),
    ("truncate", "file", 1),
    ("fallocate", 0, 0, 20000),
    ("chown", "file", -1, -1),
    ("fchmod", 0o6711),
]
NAMELESS = ("truncate", "chown")  # these take a path, and no handle


@pytest.mark.parametrize("branches", [1, 2], ids=["passthrough", "union"])
@pytest.mark.parametrize("transport", ["direct", "pyfuse3"])
def test_set_id_bits_are_as_on_a_plain_directory(transport: str, branches: int, tmp_path: Path) -> None:
    model, place = tmp_path / "model", tmp_path / "mount"
    trees = [tmp_path / f"branch{number}" for number in range(branches)]
    for directory in (model, *trees):
        directory.mkdir()
    with mounted(transport, place, *trees, read_only=False):
        for number, (uid, mode, when, operation) in enumerate(
            (uid, mode, when, operation)
            for uid in (0, 1000, 1002)
            for mode in (0o4755, 0o2755, 0o6777, 0o2644)
            for when in ("before", "after", "read first")
            for operation in WRITES
            if transport == "direct" or operation[0] != "fallocate"
        ):
            roots = []
            for below in (model, place):
                directory = below / str(number)
                directory.mkdir()
                directory.chmod(0o777)
                roots.append(os.open(directory, os.O_RDONLY | os.O_DIRECTORY))
            answers = [play(uid, mode, when, operation, roots, index) for index in range(2)]
            assert answers[1] == answers[0], (uid, oct(mode), when, operation)
            for fd in roots:
                os.close(fd)


def play(uid: int, mode: int, when: str, operation: tuple[object, ...], roots: list[int], index: int) -> object:
    """Make a file with set-ID bits, `when` it is opened to be written, and do `operation` as user `uid`."""
    owner, other, writer = Actor(0, 0, [], roots), Actor(1001, 1001, [], roots), Actor(uid, uid, [], roots)
    steps: list[tuple[Actor, str, tuple[object, ...]]] = [
        (owner, "umask", (0,)),  # a stranger shall be able to open it
        (owner, "open", (0, "file", os.O_CREAT | os.O_RDWR, 0o777)),
        (owner, "write", (0, b"content", 0)),
        (owner, "close", (0,)),
        (owner, "chown", ("file", min(uid, 1000), min(uid, 1000))),
    ]
    mode |= 0o006 if uid > 1000 else 0  # a stranger, who may write all the same
    prepare = (owner, "chmod", ("file", mode))
    if when != "after":
        steps.append(prepare)
    if when == "read first":
        steps.append((other, "open", (1, "file", os.O_RDONLY, 0)))
    if operation[0] != "chown":  # who has it open for writing could as well clear the bits by a write
        steps.append((writer, "open", (0, "file", os.O_RDWR, 0)))
    if when == "after":
        steps.append(prepare)
    name, *arguments = operation
    steps.append((writer, str(name), tuple(arguments if name in NAMELESS else (0, *arguments))))
    steps.append((owner, "stat", ("file",)))
    try:
        return [actor.do(index, step, *arguments) for actor, step, arguments in steps]
    finally:
        for actor in (owner, other, writer):
            actor.close()
