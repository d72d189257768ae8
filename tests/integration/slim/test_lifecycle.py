"""Runs that fail, are interrupted or find no room: they say so, and leave nothing, half-written or running."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest
from cntr_slimmer.runs import cgroup_leftovers

from cntr_core.kernel import cgroups
from tests.integration.slim.conftest import MakeApp, Slim
from tests.support.cntr import PROGRAM, descendants, is_alive, wait_until
from tests.support.terminal import Terminal
from tests.unit.images.layouts import Layout, file, layout, tar

pytestmark = pytest.mark.requires("root", "fuse", "overlayfs", "runc", "busybox")


def test_a_slim_image_that_does_otherwise_is_not_saved(slim: Slim, app: MakeApp) -> None:
    image = app("cat /data/needed || exit 3", file("data/needed"))
    result = slim(image, "--exclude", "/data/needed", "--repairs", "1")
    assert result.code == 125
    assert "does not do what the original does" in result.stderr and "hint:" in result.stderr
    assert not result.archive.exists()
    assert result.report["ok"] is False and "3" in json.dumps(result.report["probes"])


def test_a_log_that_differs_is_told(slim: Slim, app: MakeApp) -> None:
    image = app('cat /data/more 2>/dev/null && echo "at $$ with more" || echo alone', file("data/more"))
    result = slim.made(image, "--probe", "exit", "--exclude", "/data/more")
    assert [line.split()[:2] for line in result.report["probes"]["log"]] == [["-", "at"], ["+", "alone"]]
    assert "  + alone\n" in result.stdout
    assert "alone" in (slim.place / "report/report.html").read_text()
    assert slim.made(image, "--probe", "exit").report["probes"].get("log", []) == []


def test_an_existing_output_survives_a_failure(slim: Slim, app: MakeApp) -> None:
    image = app("cat /data/needed || exit 3", file("data/needed"))
    (slim.place / "out.tar").write_text("precious")
    assert slim(image, "--exclude", "/data/needed").code == 125
    assert (slim.place / "out.tar").read_text() == "precious"


@pytest.mark.parametrize(
    ("script", "arguments", "message"),
    [
        ("exit 5", ("--probe", "http:80"), "ended with code 5"),
        ("sleep 60", ("--probe", "tcp:80", "--timeout", "0.5", "--stop-timeout", "0.1"), "the probe tcp:80 fails"),
        ("echo last words >&2; exit 1", (), "last words"),
        (
            "sleep 60",
            ("--probe", "exec:false", "--timeout", "0.5", "--stop-timeout", "0.1"),
            "the probe exec:false fails",
        ),
        ("sleep 60", ("--probe", "nonsense"), "nonsense"),
        ("true", ("--trace", "/nowhere"), "/nowhere cannot be read"),
        ("true", ("--rule", "no-such-rule"), "no-such-rule"),
        ("true", ("--include-package", "no-such-package"), "no-such-package"),
        ("true", ("--fs", "nothing"), "nothing"),
        ("true", ("--compression", "rar"), "rar"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_a_next_step(
    slim: Slim, app: MakeApp, script: str, arguments: tuple[str, ...], message: str
) -> None:
    result = slim(app(script), *arguments)
    assert result.code == 125
    assert message in result.stderr
    assert result.stderr.startswith("cntr: ") and "Traceback" not in result.stderr
    assert not result.archive.exists()


def test_an_image_for_another_machine_is_refused(slim: Slim, tmp_path: Path) -> None:
    made = Layout()
    foreign = made.top(made.image([tar(file("x"))], architecture="s390x")).write(str(tmp_path / "foreign"))
    result = slim(foreign)
    assert result.code == 125 and "s390x" in result.stderr and "--platform" in result.stderr


def test_a_command_that_is_not_there(slim: Slim, tmp_path: Path) -> None:
    result = slim(layout(tmp_path / "image", tar(file("x")), config={"Cmd": ["/absent"]}))
    assert result.code == 127 and "/absent" in result.stderr


def test_patterns_that_fit_nothing_are_told(slim: Slim, app: MakeApp) -> None:
    result = slim.made(app("true"), "--include", "/misspelt")
    assert "/misspelt" in json.dumps(result.report["unmatched"])


def _begun(slim: Slim, image: str, *arguments: str) -> subprocess.Popen[bytes]:
    """A run whose container lives: it has told so by a file of the host's, seen through its log."""
    process = slim.popen("slim", image, "-o", "out.tar", "--probe", "quiet:600s", "--timeout", "900", *arguments)
    wait_until(lambda: list(slim.temporary.glob("cntr-run-*/log")) and _logged(slim), "the container runs")
    return process


def _logged(slim: Slim) -> bool:
    return any(b"up" in path.read_bytes() for path in slim.temporary.glob("cntr-run-*/log"))


def _family(process: subprocess.Popen[bytes]) -> list[int]:
    return descendants(process.pid)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_run_that_is_ended_leaves_nothing(slim: Slim, app: MakeApp, number: int) -> None:
    process = _begun(slim, app("echo up; while :; do sleep 1; done"))
    family = _family(process)
    assert len(family) >= 3  # the server, the keeper, the container
    process.send_signal(number)
    process.communicate(timeout=30)
    assert process.returncode == (-number if number == signal.SIGKILL else 128 + number)
    wait_until(lambda: not any(map(is_alive, family)), "all its processes are gone")
    wait_until(lambda: not os.listdir(slim.temporary), "its files are gone")
    assert not (slim.place / "out.tar").exists()


def test_what_a_death_of_all_processes_left_goes_with_the_next_run(slim: Slim, app: MakeApp) -> None:
    image = app("echo up; while :; do sleep 1; done")
    process = _begun(slim, image)
    for pid in (process.pid, *_family(process)):
        os.kill(pid, signal.SIGSTOP)  # else the first death would begin the cleaning up
    for pid in (*reversed(_family(process)), process.pid):
        os.kill(pid, signal.SIGKILL)
    process.communicate(timeout=30)
    [dead] = [path.name for path in slim.temporary.glob("cntr-run-*")]
    assert _cgroups(dead)
    kept = slim.temporary / "cntr-of-somebody-else"
    kept.mkdir(mode=0o700)
    assert len(os.listdir(slim.temporary)) >= 2
    slim.made(app("true"))
    assert os.listdir(slim.temporary) == [kept.name]
    assert not _cgroups(dead)
    kept.rmdir()


def test_a_run_whose_collector_was_killed_before_leaves_nothing(slim: Slim, app: MakeApp) -> None:
    process = _begun(slim, app("echo up; while :; do sleep 1; done"))
    [run] = [path.name for path in slim.temporary.glob("cntr-run-*")]
    family = _family(process)
    [collector] = [pid for pid in family if Path(f"/proc/{pid}/comm").read_text() == "cntr-collector\n"]
    [worker] = map(int, Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split())
    os.kill(worker, signal.SIGSTOP)  # else it would see that
    os.kill(collector, signal.SIGKILL)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 128 + signal.SIGTERM
    assert not any(map(is_alive, family)) and not _cgroups(run)
    assert os.listdir(slim.temporary) == []


def _cgroups(name: str) -> list[str]:
    return [path for path in (f"{hierarchy}/{name}" for hierarchy in cgroups.hierarchies()) if os.path.exists(path)]


def test_a_container_that_outlived_all_of_our_processes_goes_with_the_next_run(slim: Slim, app: MakeApp) -> None:
    process = _begun(slim, app("echo up; while :; do :; done"))
    [bundle] = slim.temporary.glob("cntr-run-*")
    inside = {int(pid) for group in _cgroups(bundle.name) for pid in Path(group, "cgroup.procs").read_text().split()}
    ours = [pid for pid in (process.pid, *_family(process)) if pid not in inside]
    for pid in ours:
        os.kill(pid, signal.SIGSTOP)
    for pid in ours:
        os.kill(pid, signal.SIGKILL)
    process.communicate(timeout=30)
    assert any(map(is_alive, inside))
    slim.made(app("true"))
    assert not any(map(is_alive, inside)) and not _cgroups(bundle.name)


def test_groups_without_processes_go_once_they_are_old(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are of runs in other places for temporary files."""
    first = next(one for one in cgroups.hierarchies() if one.endswith(("/pids", "/cgroup")))
    empty, lived_in = (os.path.join(first, f"cntr-run-{letter * 16}") for letter in "ab")
    for group in (empty, lived_in):
        os.mkdir(group)
    with subprocess.Popen(["sleep", "600"]) as sleeper:
        Path(lived_in, "cgroup.procs").write_text(str(sleeper.pid))
        try:
            cgroup_leftovers.remove_cgroups(())
            assert os.path.exists(empty)
            monkeypatch.setattr(cgroup_leftovers, "_YOUNG", 0)
            cgroup_leftovers.remove_cgroups(())
            assert not os.path.exists(empty) and os.path.exists(lived_in) and is_alive(sleeper.pid)
            cgroup_leftovers.remove_cgroups([os.path.basename(lived_in)])
            assert sleeper.wait(30) == -signal.SIGKILL
        finally:
            sleeper.kill()
    cgroup_leftovers.remove_cgroups(())
    assert not os.path.exists(lived_in)


def test_the_container_dies_with_the_filesystem_server(slim: Slim, app: MakeApp) -> None:
    process = _begun(slim, app("echo up; while :; do cat /run; sleep 0.1; done"))
    servers = [pid for pid in _family(process) if Path(f"/proc/{pid}/comm").read_text().strip() == "cntr-fs"]
    assert servers
    os.kill(servers[0], signal.SIGKILL)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 125 and b"Traceback" not in errors and errors.startswith(b"cntr: ")


@pytest.mark.parametrize(
    ("name", "script"),
    [
        ("cntr-collector", "echo up; while :; do echo on; sleep 0.1; done"),
        ("cntr-collector", "echo up; sleep 600"),
        ("cntr-cleanup", "echo up; sleep 3"),
    ],
)
def test_who_collects_output_or_cleans_up_is_missed_when_it_is_killed(
    slim: Slim, app: MakeApp, name: str, script: str
) -> None:
    process = _begun(slim, app(script))
    [helper] = [pid for pid in _family(process) if Path(f"/proc/{pid}/comm").read_text().strip() == name]
    os.kill(helper, signal.SIGKILL)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 125 and b"Traceback" not in errors
    assert f"cntr: {name}, the process that ".encode() in errors and b"was killed by SIGKILL" in errors, errors
    assert b"hint: check whether memory ran out" in errors


def test_a_full_disk_is_told_and_leaves_nothing(slim: Slim, app: MakeApp) -> None:
    small = slim.place / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "small", small], check=True)
    try:
        slim.environment["TMPDIR"] = str(small)
        result = slim(app("true"))
        assert result.code == 125
        assert "No space left" in result.stderr or "room" in result.stderr
        assert "Traceback" not in result.stderr
        assert os.listdir(small) == []
    finally:
        subprocess.run(["umount", small], check=True)
    assert not result.archive.exists()


@pytest.mark.parametrize("place", ["work", "target"])
def test_a_disk_that_will_be_full_is_told_before_the_image_runs(slim: Slim, app: MakeApp, place: str) -> None:
    image = app("touch /data/ran; exit 3", file("data/large", os.urandom(9_000_000)))
    small = slim.place / "small"
    small.mkdir()
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={'8m' if place == 'work' else '1m'}", "small", small], check=True
    )
    try:
        if place == "work":
            slim.environment["TMPDIR"] = str(small)
        done = slim.cntr("slim", image, "--probe", "exit", "-o", "small/out.tar" if place == "target" else "out.tar")
        assert done.returncode == 125 and "ended with code 3" not in done.stderr, done.stderr
        figures = r"not enough room in (\S*small\S*) \(tmpfs at \S+\): (\S+) MB are free, .* needs (\S+) MB"
        needed = re.search(figures, done.stderr)
        assert needed and float(needed[2]) < float(needed[3]), done.stderr
        assert "hint: free some space, or set TMPDIR" in done.stderr
        assert os.listdir(small) == []
    finally:
        subprocess.run(["umount", small], check=True)


def test_no_progress_where_nobody_watches(slim: Slim, app: MakeApp) -> None:
    assert slim.made(app("true")).stderr == ""


def test_progress_on_a_terminal(slim: Slim, app: MakeApp) -> None:
    image = app("cat /data/large >/data/copy", file("data/large", os.urandom(60_000_000)))
    with Terminal() as terminal:
        terminal.resize(24, 100)
        process = subprocess.Popen(
            [PROGRAM, "slim", image, "-o", "out.tar", "--probe", "exit"],
            cwd=slim.place,
            env={**slim.environment, "TERM": "xterm"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=terminal.slave,
        )
        output, _ = process.communicate(timeout=60)
        printed = terminal.settle().decode()
    assert process.returncode == 0, printed
    for step in ("reading the image", "tracing: exit", "splitting", "verifying: exit", "compressing", "writing"):
        assert step in printed, printed
    assert re.search(r"\d+ of 6\d MB", printed), printed
    assert "\x1b" not in output.decode()  # which is no terminal


def test_two_at_once(slim: Slim, app: MakeApp) -> None:
    image = app("sleep 0.5; cat /data/x", file("data/x"))
    both = [slim.popen("slim", image, "-o", f"{number}.tar", "--report", f"r{number}") for number in range(2)]
    for process in both:
        output, errors = process.communicate(timeout=60)
        assert process.returncode == 0, (output, errors)
    one, two = ((slim.place / f"{number}.tar").stat().st_size for number in range(2))
    assert one == two
