"""What a stranger's image may call and use up in ``cntr run`` and ``cntr slim``."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.integration.oci.conftest import Cntr
from tests.integration.session.test_seccomp import _CALLS
from tests.support.images import DockerRun

pytestmark = pytest.mark.requires("root", "runc")

_EATER = "my $x = 'x' x (100 << 20); print length $x"
_FORKER = "for (1 .. 9) { my $p = fork(); defined $p or exit 7; $p or sleep 1000 }"


def _perl(cntr: Cntr, image: str, script: str, *options: str) -> subprocess.CompletedProcess[bytes]:
    return cntr("run", "--rm", *options, image, "perl", "-e", script)


def test_a_container_has_dockers_default_filter(cntr: Cntr, debian_archive: str) -> None:
    assert cntr.run("run", "--rm", debian_archive, "grep", "^Seccomp:", "/proc/self/status").split()[1] == "2"
    for command in (["unshare", "--user", "true"], ["perl", "-e", "syscall(250, 0, 0) == 0 or die qq($!)"]):
        assert b"Operation not permitted" in cntr("run", "--rm", debian_archive, *command).stderr


@pytest.mark.requires("docker", "docker-cli")
def test_system_calls_are_answered_as_in_dockers_container(
    cntr: Cntr, debian_archive: str, docker_run: DockerRun
) -> None:
    """But for io_uring, which docker refuses since its version 25, and the old one here does not."""
    newer = re.compile(rb"^42[567] .*\n", re.MULTILINE)
    name = docker_run("debian", command=("sleep", "1000000"))
    theirs = subprocess.run(["docker", "exec", name, "perl", "-e", _CALLS], capture_output=True, timeout=120).stdout
    ours = _perl(cntr, debian_archive, _CALLS).stdout
    assert re.findall(newer, ours) == [b"425 1\n", b"426 1\n", b"427 1\n"]
    different = {
        (mine, other)
        for mine, other in zip(newer.sub(b"", ours).splitlines(), newer.sub(b"", theirs).splitlines(), strict=True)
        if mine != other
    }
    # What the newer profile allows, or knows, is no longer refused as something new.
    assert not [one for one in different if one[0].endswith(b" 1") and not one[1].endswith(b" 38")]


def test_the_filter_is_another_or_none_where_asked(cntr: Cntr, debian_archive: str, tmp_path: Path) -> None:
    profile = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95}],
    }
    (tmp_path / "profile.json").write_text(json.dumps(profile))
    own = ("--security-opt", f"seccomp={tmp_path}/profile.json")
    assert b"not supported" in _perl(cntr, debian_archive, "mkdir '/x' or die $!", *own).stderr
    none = ("--security-opt", "seccomp=unconfined")
    assert cntr.run("run", "--rm", *none, debian_archive, "unshare", "--user", "echo", "made") == "made\n"
    narrow = ("--security-opt", "no-new-privileges")
    assert "1" in cntr.run("run", "--rm", *narrow, debian_archive, "grep", "NoNewPrivs", "/proc/self/status")


def test_a_killed_container_tells_its_limit_of_memory(cntr: Cntr, debian_archive: str) -> None:
    done = _perl(cntr, debian_archive, _EATER, "--memory", "20m")
    assert (done.returncode, done.stdout) == (137, b"")
    assert b"its limit is 20 MiB" in done.stderr
    assert _perl(cntr, debian_archive, _EATER).stdout == b"104857600"


def test_a_container_that_may_not_fork_tells_its_limit(cntr: Cntr, debian_archive: str) -> None:
    done = _perl(cntr, debian_archive, _FORKER, "--pids-limit", "5")
    assert done.returncode == 7
    assert b"its limit is 5" in done.stderr


def test_limits_are_there_without_being_asked_for(cntr: Cntr, debian_archive: str) -> None:
    cntr.run("run", "--detach", "--name", "one", debian_archive, "sleep", "1000000")
    group = f"/sys/fs/cgroup/pids/{cntr.record('one')['id']}"
    assert Path(group, "pids.max").read_text() == "2048\n"
    limit = int(Path(group.replace("pids", "memory"), "memory.limit_in_bytes").read_text())
    total = int(re.findall(r"MemTotal: +(\d+) kB", Path("/proc/meminfo").read_text())[0]) * 1024
    assert total / 2 < limit < total


def test_the_log_of_a_container_in_the_background_tells_its_limit(cntr: Cntr, debian_archive: str) -> None:
    from tests.integration.oci.conftest import wait_until

    cntr.run("run", "--detach", "--name", "one", "--memory", "20m", debian_archive, "perl", "-e", _EATER)
    wait_until(lambda: cntr.record("one")["exit_code"] is not None, "its end")
    assert "its limit is 20 MiB" in (cntr.state / "one/log").read_text()


@pytest.mark.parametrize("options", [(), ("--security-opt", "seccomp=unconfined")])
def test_a_session_has_the_filter_of_our_container(cntr: Cntr, debian_archive: str, options: tuple[str, ...]) -> None:
    cntr.run("run", "--detach", "--name", "one", *options, debian_archive, "sleep", "1000000")
    for command in ("attach", "exec"):
        printed = cntr.run(command, "oci://one", "grep", "^Seccomp:", "/proc/self/status", "/proc/1/status")
        assert [line[-1] for line in printed.splitlines()] == ["0", "0"] if options else ["2", "2"]


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (("--memory", "much"), "--memory takes a number of bytes"),
        (("--memory", "1k"), "--memory cannot be as little"),
        (("--security-opt", "seccomp=/none"), "No such file"),
        (("--security-opt", "label=disable"), "--security-opt does not know"),
    ],
)
@pytest.mark.parametrize("command", ["run", "slim"])
def test_what_makes_no_sense_is_refused(cntr: Cntr, command: str, option: tuple[str, ...], words: str) -> None:
    done = cntr(command, *option, "image.tar")
    assert (done.returncode, words in done.stderr.decode()) == (125, True), done.stderr


@pytest.mark.requires("fuse")
def test_slim_names_the_limit_that_ended_a_run(cntr: Cntr, debian_archive: str, tmp_path: Path) -> None:
    output = ("-o", f"{tmp_path}/pair.tar")
    done = cntr("slim", debian_archive, *output, "--memory", "20m", "--probe", "exit", "--", "perl", "-e", _EATER)
    assert done.returncode == 125
    assert b"its limit is 20 MiB" in done.stderr
    done = cntr("slim", debian_archive, *output, "--probe", "exit", "--", "unshare", "--user", "true")
    assert b"Operation not permitted" in done.stderr
