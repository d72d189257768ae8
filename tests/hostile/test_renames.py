"""Renames in a loop, in the container and elsewhere on the machine, do not keep a session from starting."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from tests.support.children import child
from tests.support.cntr import cntr, docker_exec, wait_until
from tests.support.images import DockerRun

pytestmark = pytest.mark.requires("root", "docker", "fuse")

_SCRIPT = """
down=$(printf 'd/%.0s' $(seq 200)); up=$(printf '../%.0s' $(seq 200))
mkdir -p /deep/$down /deep/x; echo app:x:7:7::/:/bin/sh > /run/passwd
ln -sf ../deep/$down$up$down$up../run/passwd /etc/passwd; touch /ready
while mv /deep/x /deep/y || mv /deep/y /deep/x; do :; done
"""


def _rename(directory: Path) -> None:
    directory.mkdir()
    os.chdir(directory)
    os.mkdir("a")
    while True:
        os.rename("a", "b")
        os.rename("b", "a")


@pytest.fixture
def renamed(tmp_path: Path) -> Iterator[None]:
    with ExitStack() as stack:
        for number in range(3):
            stack.enter_context(child(partial(_rename, tmp_path / str(number))))
        yield


@pytest.mark.usefixtures("renamed")
def test_renames_in_a_loop_neither_end_a_session_nor_hide_a_file(docker_run: DockerRun) -> None:
    name = docker_run("debian", command=("bash", "-c", _SCRIPT))
    wait_until(lambda: "ready" in docker_exec(name, "ls", "/"), "the links are planted")
    for _ in range(5):
        result = cntr("attach", name, "--", "cat", "/etc/passwd")
        assert (result.returncode, result.stdout) == (0, b"app:x:7:7::/:/bin/sh\n"), result.stderr
