"""``cntr run`` and ``cntr stop`` with a real OCI runtime."""

from __future__ import annotations

import glob
import json
import os
import select
import shutil
import signal
import subprocess
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.oci.conftest import CNTR, HANG, Cntr, wait_until
from tests.support.children import in_child
from tests.support.images import DockerRun, docker_image
from tests.unit.images.layouts import directory, file, layout, symlink, tar, write

pytestmark = pytest.mark.requires("root", "runc", "busybox")

MakeImage = Callable[..., str]


@pytest.mark.requires("mmdebstrap", "curl", "nsenter")
def test_a_web_server_runs_serves_logs_and_goes_without_a_trace(cntr: Cntr, nginx_archive: str) -> None:
    assert cntr.run("run", "--detach", "--name", "web", nginx_archive) == "web\n"
    container = cntr.listed("web")
    assert (container["state"], container["image"]) == ("running", nginx_archive)
    pid = cntr.record("web")["pid"]
    enter = ["nsenter", f"--target={pid}", "--net"]
    wait_until(
        lambda: (
            subprocess.run([*enter, "curl", "-sf", "127.0.0.1"], capture_output=True).stdout == b"served by cntr demo\n"
        ),
        "nginx to answer",
    )
    assert b'"GET / HTTP/1.1" 200' in (cntr.state / "web/log").read_bytes()
    assert cntr("run", "--detach", "--name", "web", nginx_archive).returncode == 125
    cntr.run("stop", "web")
    assert not os.path.exists(f"/proc/{pid}")


@pytest.mark.parametrize(
    ("script", "code"),
    [("exit 0", 0), ("exit 3", 3), ("sh -c 'kill -9 $$'; exit $?", 137), ("exec nowhere", 127), ("exec /tmp", 126)],
)
def test_the_exit_code_is_the_commands(cntr: Cntr, make_image: MakeImage, script: str, code: int) -> None:
    assert cntr("run", "--rm", make_image(), "--", "sh", "-c", script).returncode == code
    assert cntr.names() == []


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [("nowhere", 127, "the image has no such command"), ("/etc/text", 126, "cannot be executed"), ("/tmp", 126, "")],
)
def test_a_command_that_cannot_start_is_told_and_leaves_nothing(
    cntr: Cntr, make_image: MakeImage, command: str, code: int, words: str
) -> None:
    done = cntr("run", make_image(file("etc/text", b"no program")), "--", command)
    assert (done.returncode, done.stdout) == (code, b"")
    assert words in done.stderr.decode()
    assert cntr.names() == []


def test_output_is_passed_on_unchanged_and_whole(cntr: Cntr, make_image: MakeImage) -> None:
    blob = os.urandom(10_000_000)
    image = make_image(file("blob", blob))
    done = cntr("run", "--rm", image, "--", "sh", "-c", "cat /blob; echo problem >&2; exit 4")
    assert (done.stdout == blob, done.stderr, done.returncode) == (True, b"problem\n", 4)


def test_stdin_is_passed_on_where_it_is_wanted(cntr: Cntr, make_image: MakeImage) -> None:
    blob = os.urandom(3_000_000)
    image = make_image()
    assert cntr("run", "--rm", "-i", image, "--", "cat", stdin=blob).stdout == blob
    assert cntr("run", "--rm", image, "--", "cat", stdin=b"secret").stdout == b""


def test_a_reader_that_goes_away_ends_nothing_but_itself(cntr: Cntr, make_image: MakeImage) -> None:
    with cntr.popen("run", "--rm", make_image(), "--", "sh", "-c", "while echo y; do :; done; exit 9") as process:
        assert process.stdout
        process.stdout.read(10)
        process.stdout.close()
        assert process.wait(HANG) in (9, 141)  # the shell sees EPIPE, or dies of SIGPIPE


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_signals_reach_the_container(cntr: Cntr, make_image: MakeImage, number: signal.Signals) -> None:
    script = "trap 'exit 5' TERM INT USR1; echo ready; while :; do sleep 0.1; done"
    with cntr.popen("run", "--rm", make_image(), "--", "sh", "-c", script) as process:
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(number)
        assert process.wait(HANG) == 5


def test_a_second_request_to_end_is_an_order(cntr: Cntr, make_image: MakeImage) -> None:
    with cntr.popen("run", "--rm", make_image(), "--", "sh", "-c", "echo ready; sleep 1000000") as process:
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
        process.terminate()  # PID 1 without a handler does not even notice
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        process.terminate()
        assert process.wait(HANG) == 137


# --- What the image says ----------------------------------------------------------------------------------------------


def _output(cntr: Cntr, image: str, script: str, *options: str) -> list[str]:
    return cntr.run("run", "--rm", "--name", "box", *options, image, "--", "sh", "-c", script).splitlines()


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ("", "uid=0 gid=0 groups=0"),
        ("app", "uid=1000(app) gid=100(users) groups=7(extra),100(users)"),
        ("app:extra", "uid=1000(app) gid=7(extra) groups=7(extra)"),
        ("1000", "uid=1000(app) gid=100(users) groups=7(extra),100(users)"),
        ("4321:7", "uid=4321 gid=7(extra) groups=7(extra)"),
    ],
)
def test_the_user_is_the_one_of_the_image(cntr: Cntr, make_image: MakeImage, user: str, expected: str) -> None:
    passwd = b"app:x:1000:100::/home/app:/bin/sh\n"
    image = make_image(file("etc/passwd", passwd), file("etc/group", b"users:x:100:\nextra:x:7:other,app\n"), User=user)
    assert _output(cntr, image, "id") == [expected]


def test_a_user_that_the_image_does_not_know_is_refused(cntr: Cntr, make_image: MakeImage) -> None:
    done = cntr("run", make_image(User="nobody-here"))
    assert done.returncode == 125
    assert "the image has no user 'nobody-here'" in done.stderr.decode()
    assert cntr.names() == []


def test_environment_directory_name_and_entrypoint_are_the_images(cntr: Cntr, make_image: MakeImage) -> None:
    image = make_image(
        file("entry", b'#!/bin/sh\necho "entry $*"\nenv\npwd\ncat /etc/hostname /etc/hosts\n', mode=0o755),
        Entrypoint=["/entry"],
        Cmd=["default"],
        Env=["PATH=/bin", "A=1", "A=two words"],
        WorkingDir="/srv/dir",
    )
    lines = cntr.run("run", "--rm", "--name", "box", image).splitlines()
    assert lines[0] == "entry default"
    variables = {line for line in lines if "=" in line}
    assert variables >= {"PATH=/bin", "A=two words", "HOSTNAME=box", "HOME=/"}
    assert not [line for line in variables if line.startswith("CNTR_STATE_DIR")]
    assert lines[-5:-3] == ["/srv/dir", "box"]
    assert lines[-3].split() == ["127.0.0.1", "localhost"]
    assert lines[-1].split() == ["127.0.0.1", "box"]  # servers in Java look their own name up
    assert cntr.run("run", "--rm", image, "--", "other", "words").splitlines()[0] == "entry other words"


def test_a_volume_is_a_mount_that_starts_with_what_the_image_has(cntr: Cntr, make_image: MakeImage) -> None:
    image = make_image(
        directory("data", mode=0o2770, uid=33, gid=44),
        file("data/seed", b"s", uid=33),
        Volumes={"/data": {}, "/new/one": {}},
    )
    lines = _output(
        cntr, image, "ls -lan /data; cat /proc/mounts; echo x > /data/y && echo x > /new/one/y && echo wrote"
    )
    assert lines[-1] == "wrote"
    assert next(line for line in lines if line.endswith(" .")).split()[:4] == ["drwxrws---", "2", "33", "44"]
    assert next(line for line in lines if line.endswith(" seed")).split()[2] == "33"
    assert [line.split()[1] for line in lines if line.startswith("tmpfs /data") or " /new" in line] == [
        "/data",
        "/new/one",
    ]


def test_the_network_is_lonely_or_the_hosts(cntr: Cntr, make_image: MakeImage) -> None:
    image = make_image()
    alone = _output(cntr, image, "readlink /proc/self/ns/net; ls /sys/class/net; cat /sys/class/net/lo/operstate")
    assert alone[0] != os.readlink("/proc/self/ns/net")
    assert alone[1] == "lo"
    (host,) = _output(cntr, image, "busybox readlink /proc/self/ns/net", "--network", "host")
    assert host == os.readlink("/proc/self/ns/net")


def test_the_root_can_be_read_only(cntr: Cntr, make_image: MakeImage) -> None:
    assert _output(cntr, make_image(), "echo x > /x || echo refused", "--read-only") == ["refused"]


@pytest.mark.requires("docker", "docker-cli")
def test_privileges_and_hidden_paths_are_those_of_docker(
    cntr: Cntr, docker_run: DockerRun, busybox_archive: str
) -> None:
    """Compared on the same image with the same command; seccomp, which docker adds, aside."""
    script = (
        "grep -E '^(Cap|NoNewPrivs|Uid|Gid|Groups)' /proc/self/status; cat /proc/sys/kernel/hostname > /dev/null; "
        "for p in /proc/kcore /proc/keys /proc/timer_list /proc/acpi /proc/scsi /sys/firmware /proc/sysrq-trigger; do "
        "if [ -d $p ]; then echo $p $(ls $p | wc -l); else echo $p $(head -c 9 $p 2>&1 | wc -c); fi; done; "
        "grep -cE '^proc /proc/(bus|fs|irq|sys|sysrq-trigger) proc ro' /proc/mounts; ls /dev | sort"
    )
    name = docker_run("busybox", "--network=none", command=("sleep", "1000000"))
    shell = ["/bin/busybox", "sh", "-c", f"/bin/busybox --install -s /bin; {script}"]
    theirs = subprocess.run(["docker", "exec", name, *shell], stdout=subprocess.PIPE, check=True).stdout.decode()
    ours = cntr.run("run", "--rm", busybox_archive, "--", *shell[1:])
    assert ours == theirs


def test_links_of_the_image_do_not_lead_the_runtime_out(cntr: Cntr, make_image: MakeImage, tmp_path: Path) -> None:
    """The runtime makes mount points; the image chooses what is on their way."""
    outside = tmp_path / "outside"
    outside.mkdir()
    image = make_image(symlink("etc", str(outside)), symlink("data", f"{outside}/made"), Volumes={"/data": {}})
    cntr("run", "--rm", image, "--", "sh", "-c", "exit 0")  # it may work or be refused
    assert os.listdir(outside) == []


# --- Names, ends, crashes ---------------------------------------------------------------------------------------------


def test_names_are_told_by_the_image_and_counted(cntr: Cntr, make_image: MakeImage) -> None:
    image = make_image()
    assert [cntr.run("run", "--detach", image).strip() for _ in range(3)] == ["made", "made-2", "made-3"]
    cntr.run("stop", "-t0", "made", "oci://made-2", cntr.record("made-3")["id"][:5])
    assert cntr.names() == []


@pytest.mark.parametrize("name", ["..", "a/b", ".hidden", "-x", "x" * 64, "ü"])
def test_impossible_names_are_refused(cntr: Cntr, make_image: MakeImage, name: str) -> None:
    done = cntr("run", f"--name={name}", make_image())
    assert done.returncode == 125
    assert "is not a valid container name" in done.stderr.decode()


def test_the_exit_code_of_a_container_in_the_background_is_kept(cntr: Cntr, make_image: MakeImage) -> None:
    cntr.run("run", "-d", "--name", "box", make_image(), "--", "sh", "-c", "echo said; exit 6")
    wait_until(lambda: cntr.record("box")["exit_code"] is not None, "the end")
    assert cntr.record("box")["exit_code"] == 6
    assert (cntr.state / "box/log").read_text() == "said\n"
    assert cntr.listed("box")["state"] == "exited"
    cntr.run("stop", "box")


def test_a_container_removes_itself_where_asked(cntr: Cntr, make_image: MakeImage) -> None:
    cntr.run("run", "-d", "--rm", make_image(), "--", "sh", "-c", "exit 6")
    wait_until(lambda: not cntr.state.exists(), "the container to go")


@pytest.mark.parametrize("written", ["SIGQUIT", "sigquit", "3"])
def test_stopping_sends_the_images_stop_signal(cntr: Cntr, make_image: MakeImage, tmp_path: Path, written: str) -> None:
    script = "trap 'echo asked; exit' QUIT; echo ready; while :; do sleep 0.1; done"
    cntr.run("run", "-d", "--name", "box", make_image(StopSignal=written), "--", "sh", "-c", script)
    log = tmp_path / "log"
    wait_until(lambda: "ready" in (cntr.state / "box/log").read_text(), "the trap")
    os.link(cntr.state / "box/log", log)
    cntr.run("stop", "box", "--timeout", str(2 * HANG))  # a container that does not listen would hang the test
    assert log.read_text() == "ready\nasked\n"


def test_a_container_that_does_not_listen_is_killed(cntr: Cntr, make_image: MakeImage) -> None:
    cntr.run("run", "-d", "--name", "box", make_image(), "--", "sh", "-c", "sleep 1000000 & sleep 1000000")
    cntr.run("stop", "box", "--timeout", "0.2")
    assert cntr.names() == []


def test_a_paused_container_is_listed_as_such_and_can_be_stopped(cntr: Cntr, make_image: MakeImage) -> None:
    cntr.run("run", "-d", "--name", "box", make_image())
    root = str(cntr.state / ".runtime")
    subprocess.run(["runc", "--root", root, "pause", cntr.record("box")["id"]], check=True)
    assert cntr.listed("box")["state"] == "paused"
    cntr.run("stop", "box", "--timeout", "0.1")


def test_a_container_in_the_background_holds_nothing_of_its_callers(cntr: Cntr, make_image: MakeImage) -> None:
    """Else a pipeline around ``cntr run --detach`` would not end before the container does."""
    reader, writer = os.pipe()
    with cntr.popen("run", "-d", "--name", "box", make_image(), pass_fds=[writer]) as process:
        os.close(writer)
        output, _ = process.communicate(timeout=HANG)  # ends when nobody has its stdout and stderr
    assert output == b"box\n"
    assert select.select([reader], [], [], HANG)[0] == [reader]
    assert os.read(reader, 1) == b""
    os.close(reader)
    assert cntr.listed("box")["state"] == "running"
    assert os.readlink(f"/proc/{_watcher(cntr, 'box')}/cwd") == "/"


def _watcher(cntr: Cntr, name: str, pid: int = 0) -> int:
    """The process of ours that stays with a container: the parent of its first process."""
    with open(f"/proc/{pid or cntr.record(name)['pid']}/stat", encoding="utf-8") as status:
        return int(status.read().rpartition(")")[2].split()[1])


def test_a_container_outlives_its_watcher_and_can_be_stopped(cntr: Cntr, make_image: MakeImage) -> None:
    cntr.run("run", "-d", "--name", "box", make_image())
    os.kill(_watcher(cntr, "box"), signal.SIGKILL)
    assert cntr.listed("box")["state"] == "running"
    cntr.run("stop", "box", "--timeout", "0.1")


def test_output_goes_on_whichever_process_of_ours_is_killed(cntr: Cntr, make_image: MakeImage) -> None:
    cntr.run("run", "-d", "--name", "box", make_image(), "--", "sh", "-c", "while :; do echo on; sleep 0.1; done")
    watcher, log = _watcher(cntr, "box"), cntr.state / "box/log"
    [collector] = _children(watcher, "cntr-collector")
    os.kill(collector, signal.SIGKILL)
    wait_until(lambda: _children(watcher, "cntr-collector") not in ([], [collector]), "another one")
    _await_growth(log)
    os.kill(watcher, signal.SIGKILL)
    wait_until(lambda: not _children(watcher, "cntr-collector"), "its death")
    _await_growth(log)
    assert cntr.listed("box")["state"] == "running"
    cntr.run("stop", "box", "--timeout", "0.1")


def _await_growth(log: Path) -> None:
    before = log.stat().st_size
    wait_until(lambda: log.stat().st_size > before + 10, "more output")


def _children(pid: int, name: str) -> list[int]:
    """The children of a process that are called so."""
    try:
        children = [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        return [child for child in children if Path(f"/proc/{child}/comm").read_text() == f"{name}\n"]
    except OSError:
        return []


def test_a_dead_container_without_watcher_is_seen_as_dead(cntr: Cntr, make_image: MakeImage) -> None:
    cntr.run("run", "-d", "--name", "box", make_image())
    os.kill(_watcher(cntr, "box"), signal.SIGKILL)
    os.kill(cntr.record("box")["pid"], signal.SIGKILL)
    wait_until(lambda: cntr.listed("box")["state"] == "exited", "its death to be seen")
    cntr.run("stop", "box")


def test_a_killed_container_has_the_code_of_its_signal(cntr: Cntr, make_image: MakeImage) -> None:
    cntr.run("run", "-d", "--name", "box", make_image())
    os.kill(cntr.record("box")["pid"], signal.SIGKILL)
    wait_until(lambda: cntr.record("box")["exit_code"] == 137, "the exit code")


@pytest.mark.requires("mmdebstrap")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_an_interrupted_start_leaves_nothing_or_what_stop_removes(
    cntr: Cntr, debian_archive: str, number: signal.Signals
) -> None:
    with cntr.popen("run", "--name", "box", debian_archive) as process:
        wait_until(lambda: (cntr.state / "box/rootfs/usr").exists(), "the unpacking")
        process.send_signal(number)
        process.wait(HANG)
    if number == signal.SIGKILL:
        assert cntr.listed("box")["state"] == "created"
        cntr.run("stop", "box")
    assert cntr.names() == []


@pytest.mark.requires("mmdebstrap")
def test_a_container_that_is_just_being_made_is_not_pulled_away(cntr: Cntr, debian_archive: str) -> None:
    with cntr.popen("run", "--rm", "--name", "box", debian_archive, "--", "true") as process:
        wait_until(lambda: (cntr.state / "box/rootfs/usr").exists(), "the unpacking")
        process.send_signal(signal.SIGSTOP)
        done = cntr("stop", "box")
        process.send_signal(signal.SIGCONT)
        assert process.wait(HANG) == 0
    assert done.returncode == 125
    assert "is being created by another process" in done.stderr.decode()


@pytest.mark.parametrize(
    "state",
    [b"{", b"[]", b'{"id": 1}', b"", b"[" * 100_000, b"\xff", b'{"pid":1' + b"0" * 5000 + b"}", bytes(4096)],
    ids=["cut", "list", "type", "empty", "deep", "no text", "number", "zeros"],
)
def test_a_container_whose_state_is_damaged_is_listed_and_stopped(
    cntr: Cntr, make_image: MakeImage, state: bytes
) -> None:
    image = make_image()
    cntr.run("run", "-d", "--name", "other", image)
    cntr.run("run", "-d", "--name", "box", image)
    pid = cntr.record("box")["pid"]
    write(cntr.state / "box/state.json", state)
    assert cntr.listed("box")["state"] == "unknown"
    refused = cntr("run", "-d", "--name", "box", image)
    assert (refused.returncode, b"cntr stop box" in refused.stderr) == (125, True)
    cntr.run("stop", "box", "--timeout", "5")
    assert not os.path.exists(f"/proc/{pid}") and cntr.names() == ["other"]
    assert cntr.listed("other")["state"] == "running"
    cntr.run("run", "-d", "--name", "box", image)


def test_a_damaged_state_of_a_container_that_ended(cntr: Cntr, make_image: MakeImage) -> None:
    cntr.run("run", "--name", "box", make_image(), "sh", "-c", ":")
    write(cntr.state / "box/state.json", b"")
    cntr.run("stop", "box")
    assert cntr.names() == []


def test_a_pid_of_another_boot_is_not_signalled(cntr: Cntr, make_image: MakeImage) -> None:
    """The number and the start time are those of a process that lives: only the boot tells it apart."""
    cntr.run("run", "-d", "--name", "box", make_image())
    record = cntr.record("box")
    write(cntr.state / "box/state.json", json.dumps({**record, "boot": str(uuid.uuid4())}).encode())
    watcher = _watcher(cntr, "box", record["pid"])
    os.kill(watcher, signal.SIGKILL)  # it would note the end
    try:
        assert cntr.listed("box")["state"] == "exited"
        cntr.run("stop", "box", "--timeout", "0")
        assert cntr.names() == []
        assert os.path.exists(f"/proc/{record['pid']}/exe")
    finally:
        os.kill(record["pid"], signal.SIGKILL)
        for cgroup in glob.glob(f"/sys/fs/cgroup/**/{record['id']}", recursive=True):
            wait_until(lambda cgroup=cgroup: not Path(cgroup, "cgroup.procs").read_text(), "its end")
            os.rmdir(cgroup)


@pytest.mark.requires("strace")
def test_the_state_is_on_the_disk_before_its_name_is(cntr: Cntr, make_image: MakeImage) -> None:
    """A machine that stops leaves the old state or the new one, and no empty file (rename(2) alone orders nothing)."""
    line = ["strace", "-f", "-y", "-e", "trace=fsync,rename,renameat,renameat2", "-o", "/dev/stderr", *CNTR]
    image = make_image()
    line += ["run", "--rm", image, "sh", "-c", ":"]
    done = subprocess.run(line, env=cntr.environment, capture_output=True, text=True, timeout=HANG)
    calls = [call for call in done.stderr.splitlines() if "state.json" in call or "fsync" in call]
    first = next(number for number, line in enumerate(calls) if "rename" in line)
    assert "fsync" in calls[first - 1] and "fsync" in calls[first + 1], calls


def test_stopping_what_is_not_there_is_told(cntr: Cntr, make_image: MakeImage) -> None:
    done = cntr("stop", "nothing")
    assert (done.returncode, done.stderr.splitlines()[0]) == (
        125,
        b"cntr: engine oci has no container named 'nothing'",
    )
    cntr.run("run", "-d", "--name", "box", make_image())
    assert cntr("stop", "bo").returncode == 125  # a part of a name is none


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "/no/such.tar"], "image /no/such.tar: no such file or directory"),
        (["run", "no-such-image:latest"], "no engine has such an image"),
        (["run", "--workdir", "etc", "x"], "--workdir takes an absolute path"),
    ],
)
def test_what_cannot_run_is_told_in_a_sentence(cntr: Cntr, arguments: list[str], words: str) -> None:
    done = cntr(*arguments)
    assert (done.returncode, done.stdout) == (125, b"")
    assert words in done.stderr.decode()
    assert b"Traceback" not in done.stderr


def test_an_image_without_a_command_says_what_to_do(cntr: Cntr, tmp_path: Path) -> None:
    done = cntr("run", write(tmp_path / "root.tar", tar(file("a"))))
    assert done.returncode == 125
    assert done.stderr.decode().splitlines() == ["cntr: the image has no command", "  hint: give one after the image"]


def test_a_corrupt_image_is_refused_by_layer(cntr: Cntr, tmp_path: Path) -> None:
    path = layout(tmp_path / "image", tar(file("../../escape", b"x")), config={"Cmd": ["x"]})
    done = cntr("run", path)
    assert done.returncode == 125
    assert "layer 1 (sha256:" in done.stderr.decode()
    assert "member '../../escape'" in done.stderr.decode()
    assert cntr.names() == []


@pytest.mark.requires("docker", "docker-cli")
def test_an_image_can_come_from_docker(cntr: Cntr) -> None:
    assert cntr.run("run", "--rm", docker_image("busybox"), "--", "echo", "from docker") == "from docker\n"


def test_without_a_runtime_the_engine_says_so(cntr: Cntr, make_image: MakeImage, tmp_path: Path) -> None:
    cntr.environment["PATH"] = str(tmp_path)
    done = cntr("run", make_image())
    assert done.returncode == 125
    assert "no OCI runtime is installed" in done.stderr.decode()
    assert "no OCI runtime is installed" in cntr("engines").stdout.decode()
    told = "cntr run and cntr slim do not: no OCI runtime is installed (install runc or crun)"
    assert told in cntr("doctor").stderr.decode()


@pytest.mark.requires("crun")
def test_crun_serves_where_runc_is_missing(cntr: Cntr, make_image: MakeImage, tmp_path: Path) -> None:
    """crun 1.8 refuses two cgroup hierarchies: here it sees but one."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "crun").symlink_to(str(shutil.which("crun")))
    cntr.environment["PATH"] = str(programs)
    image = make_image(directory("data"), file("data/seed"), Volumes={"/data": {}})

    def run() -> tuple[int, bytes, bytes]:
        one_hierarchy = 'test ! -d /sys/fs/cgroup/unified || umount /sys/fs/cgroup/unified; exec "$@"'
        line = ["/usr/bin/unshare", "--mount", "/bin/sh", "-c", f"PATH=/usr/bin:/bin; {one_hierarchy}", "sh"]
        inner = ["/usr/bin/env", f"PATH={programs}", *CNTR]
        done = subprocess.run(
            [*line, *inner, "run", "--rm", image, "--", "sh", "-c", "ls /data; exit 3"],
            env=cntr.environment,
            capture_output=True,
            timeout=HANG,
        )
        return done.returncode, done.stdout, done.stderr

    assert in_child(run) == (3, b"seed\n", b"")
