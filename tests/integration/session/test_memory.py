"""Lack of memory in the container: the session's programs are killed, not the application, and that is said."""

from __future__ import annotations

import subprocess

import pytest

from tests.support.cntr import cntr, docker_pid, output
from tests.support.images import DockerRun

pytestmark = pytest.mark.requires("root", "docker", "fuse")

EAT = ("perl", "-e", "$x = 'x' x shift; sleep 20", str(1 << 27))
"""Twice as many bytes as the container has."""


@pytest.fixture
def limited(docker_run: DockerRun) -> str:
    """A container whose application holds most of its memory."""
    application = ("perl", "-e", "$x = 'y' x shift; sleep 1000", str(1 << 25))
    return docker_run("debian", "--memory", "64m", "--memory-swap", "64m", command=application)


@pytest.mark.parametrize("command", ["attach", "exec"])
@pytest.mark.parametrize("wrapper", [(), ("sh", "-c", '"$@"; exit $?', "sh")], ids=["itself", "its child"])
def test_the_tool_is_killed_and_not_the_application(limited: str, command: str, wrapper: tuple[str, ...]) -> None:
    pid = docker_pid(limited)
    result = cntr(command, limited, "--", *wrapper, *EAT)
    assert (result.returncode, result.stdout) == (137, b"")
    assert b"out of memory" in result.stderr
    assert b"hint: raise the container's memory limit" in result.stderr
    assert docker_pid(limited) == pid, "the application lives"


def test_a_kill_by_somebody_else_is_no_lack_of_memory(limited: str) -> None:
    result = cntr("attach", limited, "--", "sh", "-c", "kill -KILL $$")
    assert (result.returncode, result.stderr) == (137, b"")


def test_the_score_of_a_session(limited: str) -> None:
    show = ("cat", "/proc/self/oom_score_adj")
    subprocess.run(["choom", "--adjust", "123", "--pid", str(docker_pid(limited))], check=True, capture_output=True)
    for options in ((), ("--inherit", "rlimits"), ("--inherit", "none")):
        for command in ("attach", "exec"):
            assert output(command, limited, *options, "--", *show) == "1000\n"
    for options in (("--inherit", "oom_score_adj"), ("--inherit", "umask,oom_score_adj")):
        assert output("attach", limited, *options, "--", *show) == "123\n"
    assert "oom_score_adj to 1000" in output("exec", limited, "--dry-run", "--", "true")


def test_the_children_of_the_command_have_its_score(limited: str) -> None:
    assert output("attach", limited, "--", "sh", "-c", "(cat /proc/self/oom_score_adj)") == "1000\n"
