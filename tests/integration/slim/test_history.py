"""A shell on the whole image writes into the container what it is told to, and nothing else."""

from __future__ import annotations

import os
import subprocess

import pytest

from tests.integration.slim.conftest import HANG, Slim
from tests.support.cntr import PROGRAM
from tests.support.terminal import Terminal

pytestmark = pytest.mark.requires("root", "fuse", "overlayfs", "runc", "mmdebstrap", "busybox")


def _files(slim: Slim) -> set[str]:
    done = slim.cntr("attach", "oci://web", "--", "find", "/var/lib/cntr", "-xdev")
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines())


@pytest.mark.parametrize("shell", ["/bin/bash", "/bin/sh"])
def test_no_history_is_left(slim: Slim, debian_archive: str, shell: str) -> None:
    slim.made(debian_archive, "--probe", "quiet:0.2s", "--", "sleep", "1000000")
    assert slim.cntr("run", "--detach", "--name=web", "out.tar:app:slim", "sleep", "1000000").returncode == 0
    try:
        before = _files(slim)
        with Terminal() as terminal:
            line = ["setsid", "--ctty", PROGRAM, "attach", "--fat", f"--shell={shell}", "oci://web"]
            streams = dict.fromkeys(("stdin", "stdout", "stderr"), terminal.slave)
            process = subprocess.Popen(line, cwd=slim.place, env=slim.environment, **streams)
            terminal.type(b"echo he''re; : > /root/wanted\n")
            terminal.expect(b"here")
            terminal.type(b"exit\n")
            assert process.wait(HANG) == 0
        assert _files(slim) - before == {"/var/lib/cntr/root/wanted"}
    finally:
        assert slim.cntr("stop", "--timeout=1", "web").returncode == 0
        assert not os.listdir(slim.temporary)
