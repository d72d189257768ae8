"""A session ends without a trace, whichever way it ends (issue: must be true, 3)."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cntr_core.session.supervisor import TERM_GRACE
from tests.integration.session.conftest import Running, comes_back, state_of
from tests.support.cntr import (
    PROGRAM,
    children,
    cntr,
    descendants,
    docker_exec,
    docker_pid,
    environment,
    is_alive,
    living_in,
    running,
    wait_until,
)
from tests.support.images import DockerRun

pytestmark = pytest.mark.requires("root", "docker", "fuse")

BUSY = ("sh", "-c", "sleep 1000 & setsid sleep 1001 & (sleep 1002 &) ; echo ready; sleep 1003")
"""A command with children, an orphan, and a process of another session."""


_TITLE = b"cntr: session"


def _monitor(program: int) -> int:
    """The process that guards the session, by its title."""
    return next(pid for pid in children(program) if Path(f"/proc/{pid}/cmdline").read_bytes().startswith(_TITLE))


def _server(program: int) -> int:
    return next(child for child in children(program) if Path(f"/proc/{child}/comm").read_text() == "cntr-fs\n")


def _builder(program: int) -> int:
    return children(_monitor(program))[0]


def _reaper(program: int) -> int:
    return children(_builder(program))[0]


def _command(program: int) -> int:
    return children(_reaper(program))[0]


VICTIMS: dict[str, Callable[[int], int]] = {
    "cntr": lambda program: program,
    "monitor": _monitor,
    "builder": _builder,
    "reaper": _reaper,
    "command": _command,
    "server": _server,
}


_VICTIMS_OF_EXEC: dict[str, Callable[[int], int]] = {**VICTIMS, "monitor": lambda program: children(program)[0]}


def test_a_normal_end_leaves_everything_as_it_was(container: Running, fs: str) -> None:
    before = state_of(container.pid)
    assert cntr("attach", container.name, "--fs", fs, "--", "sh", "-c", "sleep 1000 & exit 3").returncode == 3
    comes_back(container.pid, before)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_signals_that_end_cntr_end_the_session(debian: Running, fs: str, number: signal.Signals) -> None:
    before = state_of(debian.pid)
    with running("attach", debian.name, "--fs", fs, "--", *BUSY) as session:
        assert session.stdout is not None
        assert session.stdout.readline() == b"ready\n"
        ours = descendants(session.pid)
        session.send_signal(number)
        assert session.wait(10) == 128 + number
    wait_until(lambda: not any(map(is_alive, ours)), "all of our processes are gone")
    comes_back(debian.pid, before)


def test_the_command_sees_the_signal_and_may_end_by_itself(debian: Running) -> None:
    script = "trap 'echo got it; exit 9' TERM; echo ready; while :; do sleep 0.1; done"
    with running("attach", debian.name, "--", "bash", "-c", script) as session:
        assert session.stdout is not None
        assert session.stdout.readline() == b"ready\n"
        session.send_signal(signal.SIGTERM)
        assert session.wait(10) == 143
        assert session.stdout.read() == b"got it\n"


def test_a_second_signal_waits_for_nobody(debian: Running) -> None:
    script = "trap 'echo got it' TERM; echo ready; while :; do sleep 0.1; done"
    with running("attach", debian.name, "--", "bash", "-c", script) as session:
        assert session.stdout is not None
        assert session.stdout.readline() == b"ready\n"
        session.send_signal(signal.SIGTERM)
        assert session.stdout.readline() == b"got it\n"
        second = time.monotonic()
        session.send_signal(signal.SIGTERM)
        assert session.wait(10) == 143
        assert time.monotonic() - second < TERM_GRACE


def test_interrupt_reaches_the_command(debian: Running) -> None:
    with running("attach", debian.name, "--", "sh", "-c", "echo ready; exec sleep 1000") as session:
        assert session.stdout is not None
        assert session.stdout.readline() == b"ready\n"
        session.send_signal(signal.SIGINT)
        assert session.wait(10) == 130


@pytest.mark.parametrize("victim", VICTIMS)
def test_killing_any_of_our_processes_leaves_nothing_behind(debian: Running, fs: str, victim: str) -> None:
    if (victim, fs) == ("server", "kernel"):
        return  # there is none
    before = state_of(debian.pid)
    with running("attach", debian.name, "--fs", fs, "--", *BUSY) as session:
        assert session.stdout is not None
        assert session.stdout.readline() == b"ready\n"
        ours = descendants(session.pid)
        os.kill(VICTIMS[victim](session.pid), signal.SIGKILL)
        code = session.wait(10)
    assert code == {"cntr": -9, "command": 137}.get(victim, 125)
    wait_until(lambda: not any(map(is_alive, ours)), "all of our processes are gone")
    comes_back(debian.pid, before)


def test_a_session_ends_while_its_container_is_paused(docker_run: DockerRun) -> None:
    name = docker_run("debian", command=("sleep", "1000000"))
    pid = docker_pid(name)
    before = state_of(pid)
    with running("attach", name, "--", *BUSY) as session:
        assert session.stdout is not None
        assert session.stdout.readline() == b"ready\n"
        ours = descendants(session.pid)
        subprocess.run(["docker", "pause", name], check=True, capture_output=True, timeout=60)
        session.send_signal(signal.SIGTERM)
        assert session.wait(30) == 143
        wait_until(lambda: not any(map(is_alive, ours)), "all of our processes are gone")
    assert "paused" in cntr("attach", name, "true").stderr.decode()
    assert cntr("attach", name, "--no-cgroup", "--", "echo", "inside").stdout == b"inside\n"
    subprocess.run(["docker", "unpause", name], check=True, capture_output=True, timeout=60)
    comes_back(pid, before)


_DOWN = ("cntr", "server", "monitor", "builder", "reaper")


@pytest.mark.parametrize("order", [_DOWN, _DOWN[::-1]])
def test_killing_all_of_our_processes_at_once_leaves_nothing_behind(debian: Running, order: tuple[str, ...]) -> None:
    before = state_of(debian.pid)
    for _ in range(10):
        with running("attach", debian.name, "--", *BUSY) as session:
            assert session.stdout is not None
            assert session.stdout.readline() == b"ready\n"
            ours = descendants(session.pid)
            victims = [VICTIMS[name](session.pid) for name in order]
            for pid in victims:
                with contextlib.suppress(ProcessLookupError):  # it followed another one already
                    os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not any(map(is_alive, ours)), "all of our processes are gone")  # noqa: B023 - at once
    comes_back(debian.pid, before)


_OF_EXEC = ("cntr", "monitor", "builder", "reaper")
_BUSY_IN_EXEC = ("sh", "-c", "sleep 1000 & (sleep 1002 &) ; echo ready; sleep 1003")
"""As BUSY, but for the process that left the session: it stays, as daemons that `docker exec` starts."""


@pytest.mark.parametrize("order", [_OF_EXEC, _OF_EXEC[::-1], _OF_EXEC[:1]])
def test_killing_all_of_our_processes_of_exec_leaves_nothing_behind(debian: Running, order: tuple[str, ...]) -> None:
    before = state_of(debian.pid)
    for _ in range(10):
        with running("exec", debian.name, *_BUSY_IN_EXEC) as session:
            assert session.stdout is not None
            assert session.stdout.readline() == b"ready\n"
            ours = descendants(session.pid)
            for pid in [_VICTIMS_OF_EXEC[name](session.pid) for name in order]:
                with contextlib.suppress(ProcessLookupError):  # it followed another one already
                    os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not any(map(is_alive, ours)), "all of our processes are gone")  # noqa: B023 - at once
    comes_back(debian.pid, before)


@pytest.mark.parametrize(
    ("subcommand", "separator", "guards"), [("exec", (), lambda program: program), ("attach", ("--",), _monitor)]
)
def test_no_command_runs_before_somebody_stands_ready_to_end_what_it_starts(
    debian: Running, subcommand: str, separator: tuple[str, ...], guards: Callable[[int], int]
) -> None:
    """Whoever makes the guard is stopped before it can, and the others go on as far as they get."""
    before = state_of(debian.pid)
    with running(subcommand, f"docker://{debian.name}", *separator, *BUSY) as session:
        while not (built := _builder_so_far(session.pid)):
            assert session.poll() is None
        os.kill(guards(session.pid), signal.SIGSTOP)
        wait_until(lambda: len(descendants(built)) >= 2, "the command's process is there")
        time.sleep(0.5)  # in which it could start something
        ours = {session.pid, *descendants(session.pid)}
        for pid in (session.pid, *children(session.pid), built, *descendants(built)[:1]):
            os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not any(map(is_alive, ours)), "all of our processes are gone")
    comes_back(debian.pid, before)


def _builder_so_far(program: int) -> int:
    """The builder, as soon as there is one, and 0 before."""
    with contextlib.suppress(OSError, StopIteration, IndexError):
        return _builder(program)
    return 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_exec_ends_what_its_command_started_and_no_daemon(debian: Running, number: signal.Signals) -> None:
    before = living_in(debian.pid)
    with running("exec", debian.name, *_BUSY_IN_EXEC) as session:
        assert session.stdout is not None and session.stdout.readline() == b"ready\n"
        session.send_signal(number)
        assert session.wait(10) == 128 + number
    assert living_in(debian.pid) == before
    done = cntr("exec", debian.name, "sh", "-c", "sleep 1004 >/dev/null 2>&1 & echo $!")
    assert done.returncode == 0
    docker_exec(debian.name, "sh", "-c", f"kill {int(done.stdout)}")  # it is there
    wait_until(lambda: living_in(debian.pid) == before, "the container is as before")


@pytest.mark.parametrize("fuse", ["pyfuse3", "direct"])
def test_a_dead_server_ends_the_session_with_a_message_within_two_seconds(debian: Running, fuse: str) -> None:
    script = "echo ready; while :; do cat /usr/share/dict/* /usr/bin/* /etc/* >/dev/null 2>&1; done"
    with running("attach", debian.name, "--fs", fuse, "--", "sh", "-c", script) as session:
        assert session.stdout is not None
        assert session.stderr is not None
        assert session.stdout.readline() == b"ready\n"
        ours = descendants(session.pid)
        os.kill(_server(session.pid), signal.SIGKILL)
        started = time.monotonic()
        assert session.wait(10) == 125
        assert time.monotonic() - started < 2
        assert b"the filesystem server died" in session.stderr.read()
    wait_until(lambda: not any(map(is_alive, ours)), "nobody waits for the server for ever")


def test_the_death_of_the_container_ends_the_session(docker_run: DockerRun, fs: str) -> None:
    name = docker_run("debian", command=("sleep", "1000"))
    with running("attach", name, "--fs", fs, "--", *BUSY) as session:
        assert session.stdout is not None
        assert session.stderr is not None
        assert session.stdout.readline() == b"ready\n"
        ours = descendants(session.pid)
        subprocess.run(["docker", "kill", name], check=True, capture_output=True, timeout=60)
        assert session.wait(10) == 125
        assert f"docker://{name} ended".encode() in session.stderr.read()
    wait_until(lambda: not any(map(is_alive, ours)), "all of our processes are gone")


def test_a_container_can_be_removed_after_a_session(docker_run: DockerRun, fs: str) -> None:
    name = docker_run("debian", command=("sleep", "1000"))
    assert cntr("attach", name, "--fs", fs, "--", "true").returncode == 0
    subprocess.run(["docker", "rm", "-f", name], check=True, capture_output=True, timeout=60)
    assert subprocess.run(["docker", "inspect", name], capture_output=True).returncode != 0


def test_processes_that_leave_the_mount_namespace_end_with_the_session(debian: Running) -> None:
    before = state_of(debian.pid)
    script = "setsid unshare --user --map-root-user --mount sleep 1004 & sleep 0.5; exit 6"
    assert cntr("attach", debian.name, "--", "sh", "-c", script).returncode == 6
    comes_back(debian.pid, before)


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT])
def test_signals_that_the_caller_ignores_stay_ignored(debian: Running, number: signal.Signals) -> None:
    line = [PROGRAM, "attach", debian.name, "--", "sh", "-c", "echo ready; sleep 1; exit 4"]
    session = subprocess.Popen(
        line, stdout=subprocess.PIPE, env=environment(), preexec_fn=lambda: signal.signal(number, signal.SIG_IGN)
    )
    with session:
        assert session.stdout is not None
        assert session.stdout.readline() == b"ready\n"
        session.send_signal(number)
        assert session.wait(10) == 4


def test_a_session_can_be_limited_in_time(debian: Running) -> None:
    result = cntr("attach", debian.name, "--timeout", "0.5", "--", "sleep", "1000")
    assert result.returncode == 125
    assert b"ended after 0.5 s" in result.stderr


def test_orphans_of_a_session_are_reaped_in_the_container(debian: Running) -> None:
    # Process 1 of this container, sleep, reaps nobody: what the session leaves would stay as zombies.
    before = _zombies(debian.pid)
    cntr("attach", debian.name, "--", "sh", "-c", "for i in 1 2 3; do (sleep 0.1 &); done; sleep 0.3; (sleep 1000 &)")
    assert _zombies(debian.pid) == before


def _zombies(pid: int) -> int:
    count = 0
    for child in children(pid):
        with open(f"/proc/{child}/stat") as file:
            count += file.read().rpartition(")")[2].split()[0] == "Z"
    return count
