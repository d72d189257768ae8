"""A session has the container's filter of system calls: as its engine's own exec has it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.children import child
from tests.support.cntr import PROGRAM, cntr, docker_pid, environment, output, wait_until
from tests.support.images import DockerRun
from tests.support.lxc import Lxc, lxc_containers
from tests.support.podman import podman, podman_image
from tests.support.rootless import OrdinaryUser
from tests.support.terminal import Terminal

pytestmark = pytest.mark.requires("root", "docker", "fuse")

# Every system call by its number with arguments that cannot succeed, each in a process of its own; but for those that
# end, wait for ever, fork, or leave something behind.
_CALLS = """
use strict; use POSIX (); $| = 1;
my %skipped = map { $_ => 1 } (13, 15, 29, 34, 56, 57, 58, 60, 61, 62, 64, 68, 130, 162, 200, 219, 231, 234, 247);
for my $number (0 .. 700) {
    next if $skipped{$number};
    my $pid = fork();
    if (!$pid) {
        close STDIN; alarm 5 if $number != 37; $! = 0;
        my $result = syscall($number, -1, -1, -1, -1, -1, -1);
        syswrite STDOUT, "$number " . ($result == -1 ? $! + 0 : "done") . "\\n"; POSIX::_exit(0);
    }
    waitpid($pid, 0);
    print "$number signal $?\\n" if $?;
}
"""
_STRICT = {
    "defaultAction": "SCMP_ACT_ALLOW",
    "syscalls": [
        {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95},
        {"names": ["no_such_call"], "action": "SCMP_ACT_KILL"},
        {"names": ["sethostname"], "action": "SCMP_ACT_KILL_PROCESS"},
        {
            "names": ["getpriority"],
            "action": "SCMP_ACT_ERRNO",
            "errnoRet": 44,
            "args": [{"index": 0, "value": 0xFF, "valueTwo": 2, "op": "SCMP_CMP_MASKED_EQ"}],
        },
        {
            "names": ["personality"],
            "action": "SCMP_ACT_ERRNO",
            "errnoRet": 45,
            "args": [{"index": 0, "value": 3, "op": "SCMP_CMP_EQ"}, {"index": 0, "value": 5, "op": "SCMP_CMP_EQ"}],
        },
    ],
}
SLEEP = ("sleep", "1000000")


def _seccomp(text: str) -> list[str]:
    return [line.split()[1] for line in text.splitlines() if line.startswith("Seccomp")]


def _filters(name: str, *options: str) -> tuple[list[str], list[str], bytes]:
    """What status says of filters, in a session and of the container's process; what else cntr said."""
    done = cntr("attach", name, *options, "--", "cat", "/proc/self/status", "/proc/1/status")
    assert done.returncode == 0, done.stderr
    found = _seccomp(done.stdout.decode())
    return found[: len(found) // 2], found[len(found) // 2 :], done.stderr


@pytest.mark.parametrize(
    "options",
    [(), ("--user", "1000:1001"), ("--security-opt", "no-new-privileges"), ("--cap-add", "SYS_PTRACE"),
     ("--cap-drop", "ALL", "--security-opt", "no-new-privileges"), ("--init",), ("--pid", "host")],
)  # fmt: skip
def test_the_filter_of_dockers_container_is_the_sessions(docker_run: DockerRun, options: tuple[str, ...]) -> None:
    name = docker_run("debian", *options, command=SLEEP)
    session, container, said = _filters(name)
    assert session == (["2", "1"] if "host" in options else container)
    assert (session[0], said) == ("2", b"")
    refused = cntr("attach", name, "--", "unshare", "--user", "true")
    assert b"Operation not permitted" in refused.stderr
    assert output("attach", name, "--no-seccomp", "--", "unshare", "--user", "echo", "made") == "made\n"


def test_a_container_without_a_filter_gives_none(docker_run: DockerRun) -> None:
    name = docker_run("debian", "--security-opt", "seccomp=unconfined", command=SLEEP)
    assert _filters(name) == (["0", "0"], ["0", "0"], b"")
    assert "seccomp" not in output("attach", name, "--dry-run")


def test_every_system_call_is_answered_as_in_dockers_own_exec(docker_run: DockerRun) -> None:
    name = docker_run("debian", command=SLEEP)
    theirs = subprocess.run(["docker", "exec", name, "perl", "-e", _CALLS], capture_output=True, timeout=120)
    ours = cntr("exec", name, "--", "perl", "-e", _CALLS, timeout=120)
    assert ours.stdout.splitlines() == theirs.stdout.splitlines()
    assert len(ours.stdout.splitlines()) > 600
    attached = cntr("attach", name, "--", "perl", "-e", _CALLS, timeout=120)
    assert attached.stdout.splitlines() == theirs.stdout.splitlines()


def test_conditions_errors_and_kills_of_a_profile_are_taken_over(docker_run: DockerRun, tmp_path: Path) -> None:
    (tmp_path / "profile.json").write_text(json.dumps(_STRICT))
    name = docker_run("debian", "--security-opt", f"seccomp={tmp_path}/profile.json", command=SLEEP)
    script = (
        "for my $call ([83, '/x'], [140, 2], [140, 0x102], [140, 0], [135, 3], [135, 5], [135, 4]) {"
        " $! = 0; my $r = syscall($call->[0], $call->[1], 0); print $r == -1 ? $! + 0 : 'done', ' ' }"
    )
    assert output("exec", name, "--", "perl", "-e", script).split() == ["95", "44", "44", "done", "45", "45", "done"]
    killed = cntr("exec", name, "--", "perl", "-e", "my $name = 'x'; syscall(170, $name, 1)")
    assert killed.returncode == 128 + 31, "SIGSYS"


@pytest.mark.parametrize("verb", ["attach", "exec"])
@pytest.mark.parametrize(
    ("call", "action", "told"),
    [
        ("rt_sigtimedwait", "SCMP_ACT_ERRNO", "Operation not permitted"),
        ("poll", "SCMP_ACT_ERRNO", "Operation not permitted"),
        ("umask", "SCMP_ACT_ERRNO", "umask: Operation not permitted"),
        ("wait4", "SCMP_ACT_KILL_PROCESS", ""),
        ("pipe2", "SCMP_ACT_KILL_PROCESS", ""),
    ],
)
def test_a_profile_that_refuses_what_a_session_calls_is_named(
    docker_run: DockerRun, tmp_path: Path, verb: str, call: str, action: str, told: str
) -> None:
    """Before the command begins."""
    refused = f"the session was refused a system call ({told}), perhaps by the container's seccomp filter"
    sentence = refused if told else "the container's seccomp filter killed a process of the session"
    profile = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": [call], "action": action}]}
    (tmp_path / "profile.json").write_text(json.dumps(profile))
    name = docker_run("debian", "--security-opt", f"seccomp={tmp_path}/profile.json", command=SLEEP)
    done = cntr(verb, name, "--", "echo", "begun")
    assert (done.returncode, done.stdout) == (125, b"")
    assert done.stderr.decode() == f"cntr: {sentence}\n  hint: run it again with --no-seccomp\n"
    assert cntr(verb, name, "--no-seccomp", "--", "true").returncode == 0


def test_a_process_of_the_container_is_as_good_as_its_first(docker_run: DockerRun) -> None:
    name = docker_run("debian", command=("bash", "-c", "sleep 1000000; true"))
    subprocess.run(["docker", "exec", "--detach", name, *SLEEP], check=True)
    wait_until(lambda: len(_processes(name)) == 3, "three processes run")
    for pid in _processes(name):
        done = cntr("attach", f"pid://{pid}", "--", "cat", "/proc/self/status")
        assert (_seccomp(done.stdout.decode()), done.stderr) == (["2", "1"], b"")


def _processes(name: str) -> list[int]:
    lines = subprocess.run(["docker", "top", name], check=True, capture_output=True, text=True).stdout.splitlines()[1:]
    return [int(line.split()[1]) for line in lines]


def test_the_first_process_of_a_session_in_the_container_is_filtered_too(docker_run: DockerRun) -> None:
    name = docker_run("debian", command=SLEEP)
    printed = output("attach", name, "--", "sh", "-c", "cat /proc/$PPID/status")
    assert _seccomp(printed) == ["2", "1"]


@pytest.mark.usefixtures("podman_settings")
@pytest.mark.requires("podman", "runc")
def test_the_filter_of_podmans_container_is_the_sessions(request: pytest.FixtureRequest) -> None:
    name = f"cntr-test-seccomp-{os.getpid()}"
    podman("run", "--detach", "--name", name, podman_image("debian"), *SLEEP)
    request.addfinalizer(lambda: podman("rm", "--force", "--time", "0", name))
    session, container, said = _filters(f"podman://{name}")
    assert (session, said) == (["2", "1"], b"")
    assert container == session


@pytest.mark.requires("podman", "runc", "newuidmap", "nsenter", "setpriv", "unshare", "ordinary-user", "busybox")
def test_the_filter_of_a_users_container_is_the_sessions(ordinary_user: OrdinaryUser) -> None:
    name = ordinary_user.start("busybox")
    for run in (ordinary_user.cntr, ordinary_user.sudo_cntr):
        done = run("attach", name, "--", "cat", "/proc/self/status")
        assert (done.returncode, done.stderr, _seccomp(done.stdout)) == (0, "", ["2", "1"])


@pytest.fixture
def lxc(tmp_path: Path) -> Iterator[Lxc]:
    with lxc_containers(tmp_path) as containers:
        yield containers


@pytest.mark.requires("lxc", "busybox")
def test_where_there_is_no_bundle_it_is_said(lxc: Lxc, tmp_path: Path) -> None:
    profile = tmp_path / "profile"
    profile.write_text("2\ndenylist\n[all]\nmkdir errno 1\n")
    name = lxc.create(f"lxc.seccomp.profile = {profile}")
    pid = lxc.start(name)
    lines = output("attach", f"pid://{pid}", "--dry-run")
    assert "no seccomp filter, although the container has one: " in lines
    with Terminal() as terminal:
        line = [PROGRAM, "attach", f"pid://{pid}", "--", "true"]
        subprocess.run(line, stdin=terminal.slave, stdout=terminal.slave, stderr=terminal.slave, env=environment())
        assert b"without the container's seccomp filter" in terminal.settle()


def test_what_a_container_plants_is_no_bundle(docker_run: DockerRun) -> None:
    """A process of a container on the host's PID namespace that calls itself a shim, with a bundle that allows all."""
    script = (
        "cd /tmp; echo '{\"linux\": {}}' > config.json; ln -s /bin/bash containerd-shim-runc-v2; "
        "exec ./containerd-shim-runc-v2 -c 'sleep 1000000 & echo $! > init.pid; wait'"
    )
    name = docker_run("debian", "--pid", "host", command=("bash", "-c", script))
    first = docker_pid(name)
    wait_until(lambda: os.path.exists(f"/proc/{first}/root/tmp/init.pid"), "the bundle is planted")
    with open(f"/proc/{first}/root/tmp/init.pid") as file:
        sleeper = int(file.read())
    done = cntr("attach", f"pid://{sleeper}", "--", "cat", "/proc/self/status")
    assert _seccomp(done.stdout.decode()) == ["2", "1"]


def test_a_filter_of_the_applications_own_is_no_containers() -> None:
    """Without an engine there is none to ask, and that is said."""
    from cntr_core.kernel import process, seccomp
    from cntr_core.runtime.seccomp import compile_filter

    profile = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["acct"], "action": "SCMP_ACT_KILL"}]}

    def confine() -> None:
        process.set_no_new_privs()
        seccomp.set_filter(compile_filter(profile).instructions)
        os.execvp("sleep", SLEEP)

    with child(confine) as pid:
        wait_until(lambda: os.readlink(f"/proc/{pid}/exe").endswith("sleep"), "it runs")
        assert "its engine keeps no OCI bundle" in output("attach", f"pid://{pid}", "--dry-run")
