"""``cntr slim --profile seccomp``: whose calls are counted, what the profile holds back, and what is said of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest
from cntr_slimmer.profiles.calls import Calls
from cntr_slimmer.profiles.recorder import CallRecorder
from cntr_slimmer.profiles.seccomp import Bound, seccomp_profile

from tests.integration.slim.conftest import MakeApp, Result, Slim
from tests.support.cntr import PROGRAM
from tests.support.images import archive
from tests.support.terminal import Terminal
from tests.unit.images.layouts import directory, file

pytestmark = pytest.mark.requires("root", "fuse", "overlayfs", "runc", "busybox")

_LINE = ("--profile", "seccomp", "--probe", "exit")


def _profile(result: Result) -> Mapping[str, Any]:
    (profile,) = result.report["profiles"]
    return dict(profile)


def test_the_profile_is_written_and_the_slim_image_passed_under_it(slim: Slim, app: MakeApp) -> None:
    result = slim.made(app("ln -s a /tmp/link; mkdir /tmp/made; echo done"), *_LINE)
    told = _profile(result)
    written = json.loads((slim.place / "report/seccomp.json").read_text())
    assert told["verified"] is True and {"symlink", "mkdir"} <= set(told["allowed"])
    assert {"unlink", "rename", "socket", "mount"}.isdisjoint(told["allowed"])
    assert (
        sorted({n for r in written["syscalls"] for n in r["names"] if r["action"] == "SCMP_ACT_ALLOW"})
        == (told["allowed"])
    )
    assert any("seen in 2 runs" in line for line in written["comment"])
    assert "probe: exit" in written["comment"] and "the slim image passed its probes under it" in written["comment"]
    assert "✓ seccomp profile report/seccomp.json" in result.stdout
    assert "seccomp.json" in (slim.place / "report/report.html").read_text()


def test_the_file_holds_back_what_no_run_did(slim: Slim, app: MakeApp) -> None:
    image = app("ln -s a /tmp/link")
    slim.made(image, *_LINE)
    under = ("run", "--rm", "--security-opt", "seccomp=report/seccomp.json", "--entrypoint", "/bin/sh", image, "-c")
    assert slim.cntr(*under, "ln -s a /tmp/b && readlink /tmp/b").stdout == "a\n"
    refused = slim.cntr(*under, "rm /unused")
    assert refused.returncode == 1 and "Operation not permitted" in refused.stderr


def test_a_process_that_forks_away_is_counted(slim: Slim, app: MakeApp) -> None:
    """Its parents have ended when it makes its first own call."""
    script = "(setsid sh -c 'sleep 0.3; mkdir /tmp/made; touch /tmp/done' &) & wait; until [ -e /tmp/done ]; do :; done"
    assert "mkdir" in _profile(slim.made(app(script), *_LINE))["allowed"]


def test_what_is_executed_beside_the_first_process_is_counted(slim: Slim, app: MakeApp) -> None:
    line = ("--profile", "seccomp", "--probe", "exec:ln -s a /tmp/link")
    assert "symlink" in _profile(slim.made(app("exec sleep 999", StopSignal="SIGKILL"), *line))["allowed"]


def test_other_containers_and_another_slim_are_not_counted(slim: Slim, app: MakeApp, tmp_path: Any) -> None:
    """Two at the same time, while a third container and this machine do what neither does."""
    other = Slim(_directory(tmp_path / "other"))
    image = app('for i in 1 2 3 4 5 6 7 8 9; do "$@"; sleep 0.1; done')
    third = ["unshare", "--pid", "--fork", "--kill-child", "sh", "-c", "while :; do mv -T /none/a /none/b; done"]
    noise = subprocess.Popen(third, stderr=subprocess.DEVNULL)
    names = ("--slim-name", "app:slim", "--fat-name", "app:fat", "--report", "report", "-o", "out.tar")
    try:
        linking = slim.popen("slim", image, *names, *_LINE, "--", "ln", "-sf", "a", "/tmp/l")
        making = other.popen("slim", image, *names, *_LINE, "--", "mkdir", "-p", "/tmp/a/b")
        for process in (linking, making):
            assert process.wait(60) == 0, process.stderr and process.stderr.read()
    finally:
        noise.kill()
        noise.wait()
    first, second = (json.loads((one.place / "report/report.json").read_text())["profiles"][0] for one in (slim, other))
    assert "symlink" in first["allowed"] and "mkdir" not in first["allowed"]
    assert "mkdir" in second["allowed"] and "symlink" not in second["allowed"]
    for profile in (first, second):
        assert {"rename", "renameat2", "bpf"}.isdisjoint(profile["allowed"])


def _directory(path: Any) -> Any:
    path.mkdir()
    return path


_THIRD = 'stat /run; read n < /count/n; echo $((n+1)) > /count/n; [ "$n" -lt 2 ] || ln -s a /tmp/link'
"""Does more the third time it runs: in the replay under the profile."""


@pytest.fixture
def counted(slim: Slim, app: MakeApp) -> tuple[str, ...]:
    (slim.place / "count").mkdir()
    (slim.place / "count/n").write_text("0\n")
    return (app(_THIRD), "--volume", f"{slim.place}/count:/count", *_LINE)


def test_a_call_that_only_the_replay_makes_is_learnt(slim: Slim, counted: tuple[str, ...]) -> None:
    result = slim.made(*counted)
    assert _profile(result)["learnt"] == ["symlink"]
    assert "1 of them learnt in a replay" in result.stdout
    rules = json.loads((slim.place / "report/seccomp.json").read_text())["syscalls"]
    assert [rule["comment"] for rule in rules if "symlink" in rule["names"]] == [
        "refused in a replay, which then failed"
    ]


def test_a_profile_that_fails_is_not_handed_out_as_verified(slim: Slim, counted: tuple[str, ...]) -> None:
    (slim.place / "report").mkdir()
    (slim.place / "report/seccomp.json").write_text("of an earlier call")
    result = slim(*counted, "--repairs", "0")
    assert result.code == 125
    assert "under the seccomp profile the slim image does not do what the original does" in result.stderr
    assert "refused were symlink" in result.stderr
    assert not result.archive.exists()
    assert (_profile(result)["verified"], _profile(result)["file"]) == (False, "seccomp.unverified.json")
    assert not (slim.place / "report/seccomp.json").exists()
    written = json.loads((slim.place / "report/seccomp.unverified.json").read_text())
    assert "the slim image was not seen to work under it" in written["comment"]


def test_without_a_replay_it_is_not_verified(slim: Slim, app: MakeApp) -> None:
    result = slim.made(app("mkdir /tmp/made"), *_LINE, "--no-verify")
    assert (_profile(result)["verified"], _profile(result)["file"]) == (False, "seccomp.unverified.json")
    assert "the slim image was not run under it" in result.stdout


def test_the_users_own_profile_is_a_bound(slim: Slim, app: MakeApp) -> None:
    """What it refuses in the runs is refused later, and the image works as it did."""
    rules = [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}]
    (slim.place / "own.json").write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules}))
    result = slim.made(app("mkdir /tmp/made; ln -s a /tmp/l"), *_LINE, "--security-opt", "seccomp=own.json")
    assert "mkdir" not in _profile(result)["allowed"] and "symlink" in _profile(result)["allowed"]


@pytest.mark.parametrize("stdin", ["pipe", "terminal"])
@pytest.mark.parametrize("verb", ["exec", "attach"])
def test_a_session_begins_where_a_profile_allows_next_to_nothing(
    slim: Slim, app: MakeApp, verb: str, stdin: str
) -> None:
    """The program that it runs needs no more than what every profile allows."""
    least = seccomp_profile(Bound(None), Calls(frozenset({"clock_nanosleep"})), (), ())
    (slim.place / "least.json").write_text(json.dumps(least))
    image = app("")
    start = ("run", "--detach", "--name", "narrow", "--security-opt", "seccomp=least.json", "--entrypoint")
    started = slim.cntr(*start, "/bin/sleep", image, "1000000")
    assert started.returncode == 0, started.stderr
    try:
        with Terminal() as terminal:
            line = [PROGRAM, verb, *["--tty"] * (stdin == "terminal"), "oci://narrow", "--", "/bin/true"]
            line[-1:] = ["/bin/busybox", "stat", "/"] if verb == "exec" else line[-1:]
            done = subprocess.run(
                line,
                stdin=terminal.slave if stdin == "terminal" else subprocess.DEVNULL,
                stdout=terminal.slave if stdin == "terminal" else subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=slim.environment,
                timeout=60,
                check=False,
            )
        assert (done.returncode, done.stderr) == (0, b"")
    finally:
        slim.cntr("stop", "--timeout", "0", "narrow")


@pytest.mark.requires("mmdebstrap")
def test_odd_system_calls(slim: Slim) -> None:
    """Numbers that there are not, negative ones, and one that is refused."""
    calls = "syscall(1000); syscall(-1); syscall(0x40000001); syscall(165); syscall(73, 0, 0); print qq(odd\\n)"
    result = slim.made(archive("debian"), *_LINE, "--", "perl", "-e", calls)
    told = _profile(result)
    assert {"flock"} <= set(told["allowed"]) and "mount" not in told["allowed"]


@pytest.mark.parametrize("words", [("--profile", "selinux"), ("--profile", ""), ("--profile", "seccomp\n")])
def test_a_kind_that_there_is_not(slim: Slim, app: MakeApp, words: tuple[str, ...]) -> None:
    result = slim(app("exit 0"), *words)
    assert result.code == 125 and "--profile does not know" in result.stderr


@pytest.mark.requires("setpriv")
def test_who_may_not_count_is_told_before_the_run() -> None:
    line = ["setpriv", "--bounding-set=-sys_admin,-bpf,-perfmon", "--inh-caps=-all", sys.executable, "-c", _CHECK]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60, env={**os.environ, "PYTHONPATH": "."})
    assert "system calls cannot be counted: bpf: Operation not permitted" in done.stdout


_CHECK = """
from cntr_core.errors import CntrError
from cntr_slimmer.profiles.recorder import check_recorder
try:
    check_recorder()
except CntrError as error:
    print(error.message)
"""


def test_our_own_namespace_is_not_recorded() -> None:
    with CallRecorder() as recorder, pytest.raises(Exception, match="no PID namespace of its own"):
        recorder.watch(os.getpid())
    assert recorder.calls() == Calls()


@pytest.mark.requires("apparmor_parser")
def test_a_profile_of_apparmor_has_the_files_and_where_the_runs_wrote(slim: Slim, app: MakeApp) -> None:
    """What was written and removed again is in a directory that has changed; volumes are free."""
    script = "touch /tmp/a; rm /tmp/a; echo x > /etc/passwd; mkdir /data/new; touch /volume/x"
    image = app(script, directory("volume"), file('data/o"dd *', b""), Volumes={"/volume": {}})
    line = ("--profile", "apparmor", "--profile", "apparmor", "--probe", "exit", "--include", "/data")
    result = slim.made(image, *line)
    told = _profile(result)
    assert (told["kind"], told["file"], told["verified"]) == ("apparmor", "apparmor.unverified.profile", False)
    assert any("apparmor_parser" in line and "takes it" in line for line in told["missed"])
    path = slim.place / "report/apparmor.unverified.profile"
    subprocess.run(["apparmor_parser", "--skip-kernel-load", "--skip-cache", path], check=True, timeout=60)
    rules = path.read_text().splitlines()
    for rule in ("/bin/busybox mrix", "/run rix", "/tmp/* rwkl", "/etc/passwd rwkl", '"/data/o\\"dd \\*" r'):
        assert f"  {rule}," in rules
    for place in ("/data/new", "/volume"):
        assert any(
            rule.startswith((f"  {place}/{{,**}} ", f'  "{place}/')) and rule.endswith(" rwkl,") for rule in rules
        )
    assert not any(rule.startswith(("  /unused", "  /bin/* rw", "  /etc/* rw")) for rule in rules)


def test_each_profile_of_apparmor_tells_its_runs_and_has_a_name_of_its_own(slim: Slim, app: MakeApp) -> None:
    """The kernel holds one profile of a name: that of another slim image of the same original is another one."""
    image = app("exit 0", directory("data"), file("data/a", b""))
    path = slim.place / "report/apparmor.unverified.profile"
    texts = []
    for more in ((), (), ("--include", "/data/a")):
        slim.made(image, "--profile", "apparmor", "--probe", "exit", *more)
        texts.append(path.read_text())
    first, again, other = (next(line for line in text.splitlines() if line.startswith("profile ")) for text in texts)
    assert first == again != other
    assert "# seen in 2 runs on Linux" in texts[0]


def test_engines_do_not_tell_where_a_run_wrote(slim: Slim, app: MakeApp) -> None:
    result = slim(app("exit 0"), "--profile", "apparmor", "--engine", "docker")
    assert result.code == 125 and "--profile apparmor is made of runs in cntr's own containers" in result.stderr
