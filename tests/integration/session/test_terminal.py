"""Terminals, pipes and nothing, for each stream: bytes unchanged, nothing lost (issue: must be true, 4 and 5)."""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.session.conftest import Running
from tests.support.cntr import PROGRAM, cntr, environment, output, wait_until
from tests.support.terminal import Terminal

pytestmark = pytest.mark.requires("root", "docker", "fuse")

KINDS = ("tty", "pipe", "null")
REPORT = "c=0; [ -t 0 ] && c=$((c+1)); [ -t 1 ] && c=$((c+2)); [ -t 2 ] && c=$((c+4)); echo out; echo err >&2; exit $c"


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    with Terminal() as opened:
        yield opened


def start(
    container: Running, terminal: Terminal, *command: str, options: tuple[str, ...] = ()
) -> subprocess.Popen[bytes]:
    return terminal.start("attach", container.name, *options, *(("--", *command) if command else ()))


@pytest.mark.parametrize(("stdin", "stdout", "stderr"), list(itertools.product(KINDS, repeat=3)))
def test_every_combination_of_streams(
    debian: Running, terminal: Terminal, stdin: str, stdout: str, stderr: str
) -> None:
    ends = {"tty": terminal.slave, "pipe": subprocess.PIPE, "null": subprocess.DEVNULL}
    process = subprocess.Popen(
        [PROGRAM, "attach", debian.name, "--", "sh", "-c", REPORT],
        stdin=ends[stdin],
        stdout=ends[stdout],
        stderr=ends[stderr],
        env=environment(),
        start_new_session=True,
    )
    out, err = process.communicate(timeout=30)
    uses_terminal = stdin == stdout == "tty"
    assert process.returncode == (7 if uses_terminal and stderr == "tty" else 3 if uses_terminal else 0)
    assert out == {"pipe": b"out\n"}.get(stdout)
    assert err == {"pipe": b"err\n"}.get(stderr)
    printed = terminal.settle()
    assert (b"out" in printed) == (stdout == "tty")
    assert (b"err" in printed) == (stderr == "tty")


def test_bytes_pass_unchanged_through_pipes(debian: Running) -> None:
    data = os.urandom(3_000_000)
    result = cntr("attach", debian.name, "--", "cat", stdin=data)
    assert result.stdout == data
    assert result.stderr == b""


def test_files_are_written_where_the_caller_stands(debian: Running, tmp_path: Path) -> None:
    script = f"echo first; {PROGRAM} exec {debian.name} sh -c 'echo second; echo third >&2'; echo fourth"
    for redirection in ("> log 2>&1", ">> log 2>&1"):
        line = ["sh", "-c", f"({script}) {redirection}"]
        subprocess.run(line, cwd=tmp_path, check=True, env=environment(), timeout=60)
    lines = (tmp_path / "log").read_text().split()
    assert sorted(lines[1:3] + lines[5:7]) == ["second", "second", "third", "third"]
    assert lines[::4] + lines[3::4] == ["first", "first", "fourth", "fourth"]


def test_the_callers_pipes_stay_as_they_are(debian: Running) -> None:
    read, write = os.pipe()
    before = fcntl.fcntl(write, fcntl.F_GETFL), fcntl.fcntl(write, fcntl.F_GETPIPE_SZ)
    line = [PROGRAM, "exec", debian.name, "sh", "-c", "echo ready; exec cat"]
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=write, env=environment()) as session:
        assert os.read(read, 100) == b"ready\n"
        assert (fcntl.fcntl(write, fcntl.F_GETFL), fcntl.fcntl(write, fcntl.F_GETPIPE_SZ)) == before
        session.communicate(timeout=30)
    assert (fcntl.fcntl(write, fcntl.F_GETFL), fcntl.fcntl(write, fcntl.F_GETPIPE_SZ)) == before
    os.close(write)
    assert os.read(read, 100) == b""
    os.close(read)


def test_bytes_pass_unchanged_from_a_terminal_to_a_pipe_and_back(debian: Running) -> None:
    data = bytes(range(256)) * 40
    with Terminal(raw=True) as terminal:
        line = [PROGRAM, "attach", debian.name, "--", "head", "-c", str(len(data))]
        process = subprocess.Popen(line, stdin=terminal.slave, stdout=subprocess.PIPE, env=environment())
        terminal.type(data)
        assert process.communicate(timeout=30)[0] == data
    with Terminal(raw=True) as terminal:
        line = [PROGRAM, "attach", debian.name, "--", "cat"]
        process = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=terminal.slave, env=environment())
        process.communicate(data, timeout=30)
        assert terminal.settle() == data


def test_bytes_pass_unchanged_through_both_terminals(debian: Running, terminal: Terminal) -> None:
    data = bytes(range(256)) * 40
    process = start(debian, terminal, "sh", "-c", f"stty raw -echo; printf ready; head -c {len(data)}; printf END")
    terminal.expect(b"ready")
    terminal.type(data)
    assert process.wait(30) == 0
    assert bytes(terminal.printed).partition(b"ready")[2] == data + b"END"


def test_the_end_of_input_reaches_the_command(debian: Running) -> None:
    assert cntr("attach", debian.name, "--", "sh", "-c", "cat; echo after", stdin=b"x\n").stdout == b"x\nafter\n"


def test_a_reader_that_goes_away_ends_the_command(debian: Running) -> None:
    script = f"'{PROGRAM}' attach {debian.name} -- yes | head -n 1; exit ${{PIPESTATUS[0]}}"
    result = subprocess.run(["bash", "-c", script], capture_output=True, env=environment(), timeout=30)
    assert result.stdout == b"y\n"
    assert result.returncode == 128 + signal.SIGPIPE


def test_streams_can_be_closed(debian: Running) -> None:
    script = f"'{PROGRAM}' attach {debian.name} -- sh -c 'cat; echo out; echo err >&2; exit 5' <&- >&- 2>&-"
    assert subprocess.run(["bash", "-c", script], env=environment(), timeout=30).returncode == 5


def test_a_reader_that_is_slow_after_the_end_gets_everything(debian: Running) -> None:
    script = f"'{PROGRAM}' attach {debian.name} -- head -c 200000 /dev/zero | (sleep 7; wc -c); exit ${{PIPESTATUS[0]}}"
    result = subprocess.run(["bash", "-c", script], capture_output=True, env=environment(), timeout=60)
    assert (result.returncode, result.stdout.split(), result.stderr) == (0, [b"200000"], b"")


def test_a_terminal_that_nobody_reads_does_not_keep_cntr(debian: Running) -> None:
    master, slave = os.openpty()
    line = [PROGRAM, "attach", debian.name, "--", "yes"]
    process = subprocess.Popen(line, stdin=slave, stdout=slave, stderr=slave, env=environment(), start_new_session=True)
    os.close(slave)
    try:
        os.read(master, 100)  # it runs; and now nobody reads any more
        time.sleep(1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 143
    finally:
        process.kill()
        os.close(master)
        process.wait()


def test_a_terminal_that_vanishes_ends_the_session(debian: Running) -> None:
    master, slave = os.openpty()
    line = [PROGRAM, "attach", debian.name, "--", "sh", "-c", "echo ready; sleep 1000"]
    process = subprocess.Popen(line, stdin=slave, stdout=slave, stderr=subprocess.DEVNULL, env=environment())
    os.close(slave)
    while b"ready" not in os.read(master, 1000):
        pass
    os.close(master)
    assert process.wait(20) == 128 + signal.SIGHUP


@pytest.mark.parametrize("on_terminal", [True, False])
def test_ten_megabytes_and_then_the_end_are_not_cut(debian: Running, on_terminal: bool) -> None:
    script = "head -c 10000000 /dev/zero | tr '\\0' x; printf END"
    if not on_terminal:
        assert cntr("attach", debian.name, "--", "sh", "-c", script).stdout == b"x" * 10_000_000 + b"END"
        return
    with Terminal() as terminal:
        process = start(debian, terminal, "sh", "-c", "stty -opost; " + script)
        assert process.wait(60) == 0
        printed = terminal.settle()
        assert printed.endswith(b"xEND")
        assert printed.count(b"x") == 10_000_000


def test_a_big_paste_arrives_whole(debian: Running, terminal: Terminal) -> None:
    text = b"".join(b"%06d\n" % n for n in range(20_000))
    process = start(debian, terminal, "sh", "-c", "stty -echo; echo ready; md5sum; echo done")
    terminal.expect(b"ready")
    terminal.type(text + b"\x04")
    terminal.expect(b"done")
    assert process.wait(30) == 0
    import hashlib

    assert hashlib.md5(text).hexdigest().encode() in terminal.printed


def test_the_window_size_is_there_at_once_and_follows(debian: Running, terminal: Terminal) -> None:
    terminal.resize(33, 101)
    process = start(
        debian, terminal, "bash", "-c", "stty size; trap 'stty size; exit' WINCH; while :; do sleep 0.05; done"
    )
    terminal.expect(b"33 101")
    terminal.resize(20, 60)
    terminal.expect(b"20 60")
    assert process.wait(10) == 0


def test_tty_names_a_device_of_the_session(debian: Running, terminal: Terminal) -> None:
    process = start(debian, terminal, "sh", "-c", "tty; echo > $(tty); echo ok", options=("--user", "1234:56"))
    terminal.expect(b"ok")
    assert b"/dev/pts/" in terminal.printed
    assert process.wait(10) == 0


def test_job_control_and_control_keys(debian: Running, terminal: Terminal) -> None:
    process = start(debian, terminal)
    terminal.type(b"PS1='> '; echo $((40+2)) ready\n")
    terminal.expect(b"42 ready")
    terminal.type(b"sleep 1000\n")
    wait_until(lambda: _runs(debian, "sleep 1000\0".replace(" ", "\0")), "sleep runs")
    terminal.type(b"\x1a")  # Ctrl-Z
    terminal.expect(b"Stopped")
    terminal.type(b"kill %1; wait; sleep 1001\n")
    wait_until(lambda: _runs(debian, "sleep\x001001\0"), "the second sleep runs")
    terminal.type(b"\x03")  # Ctrl-C
    wait_until(lambda: not _runs(debian, "sleep\x001001\0"), "the second sleep has ended")
    terminal.type(b"echo status $?\n")
    terminal.expect(b"status 130")
    wait_until(lambda: terminal.printed.endswith(b"> "), "the prompt, which reads the next key")
    terminal.type(b"\x04")  # Ctrl-D
    assert process.wait(10) == 0


def _runs(container: Running, command: str) -> bool:
    from tests.support.cntr import living_in

    def line(pid: int) -> str:
        with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline") as file:
            return file.read()
        return ""  # it has just ended

    return any(line(pid) == command for pid, _ in living_in(container.pid))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), (b"show the tools'", b"this session's own", b"--links container", b"--tmp container")),
        (("--tmp", "container"), (b"show the tools'", b"--links container")),
        (("--links", "container"), ()),
    ],
    ids=["private", "shared", "inside"],
)
def test_the_greeting_tells_in_one_line_where_links_lead_silently(
    debian: Running, terminal: Terminal, options: tuple[str, ...], words: tuple[bytes, ...]
) -> None:
    process = start(debian, terminal, options=options)
    terminal.type(b"echo $((40+2)) ready; exit\n")
    assert process.wait(20) == 0
    told = [line for line in terminal.settle().splitlines() if b"absolute links" in line]
    assert len(told) == bool(words)
    assert all(word in line for line in told for word in words)
    assert not told or (b"this session's own" in told[0]) == (not options)


@pytest.mark.parametrize("ending", ["exit", "error", "SIGTERM", "SIGHUP", "SIGKILL"])
def test_the_terminal_is_as_before_whichever_way_it_ends(debian: Running, terminal: Terminal, ending: str) -> None:
    before = terminal.attributes()
    command = {"exit": ("sh", "-c", "stty raw; exit 4"), "error": ("/nonexistent",)}.get(
        ending, ("sh", "-c", "echo ready; sleep 1000")
    )
    process = start(debian, terminal, *command)
    if ending.startswith("SIG"):
        terminal.expect(b"ready")
        assert terminal.attributes() != before
        process.send_signal(getattr(signal, ending))
    process.wait(10)
    wait_until(lambda: terminal.attributes() == before, "the terminal is as before")


@pytest.mark.parametrize("command", ["attach", "exec"])
@pytest.mark.parametrize(
    ("program", "code"),
    [
        (("true",), 0),
        (("sh", "-c", "exit 3"), 3),
        (("/etc/hostname",), 126),
        (("no-such-program",), 127),
        (("/no/such/program",), 127),
        (("a" * 70_000,), 127),
        (("sh", "-c", "kill -TERM $$"), 143),
        (("sh", "-c", "kill -KILL $$"), 137),
    ],
)
def test_exit_codes(debian: Running, command: str, program: tuple[str, ...], code: int) -> None:
    result = cntr(command, debian.name, "--", *program)
    assert result.returncode == code
    assert (result.stderr == b"") == (code not in (126, 127))


def test_nothing_but_the_commands_output_is_on_stdout(debian: Running) -> None:
    result = cntr("attach", debian.name, "--", "echo", "x")
    assert (result.stdout, result.stderr) == (b"x\n", b"")


def test_a_line_of_greeting_tells_where_the_files_are(debian: Running, terminal: Terminal) -> None:
    process = start(debian, terminal)
    terminal.expect(b"/var/lib/cntr")
    terminal.type(b"exit 0\n")
    assert process.wait(10) == 0


def test_many_sessions_at_once(debian: Running) -> None:
    results: list[str] = []
    threads = [
        threading.Thread(target=lambda n=n: results.append(output("attach", debian.name, "--", "echo", str(n))))
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [f"{n}\n" for n in range(4)]
