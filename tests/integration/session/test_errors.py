"""What goes wrong is said in one sentence, with its cause and the next step (issue: must be true, 6)."""

from __future__ import annotations

import errno
import os
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from tests.integration.session.conftest import Containers, Running
from tests.support.cntr import PROGRAM, cntr, docker_exec, docker_pid, environment, output, wait_until
from tests.support.images import DockerRun
from tests.support.reachable import command_as
from tests.support.refusing import refusing

pytestmark = pytest.mark.requires("root", "docker", "fuse")


def refusal(*arguments: str, env: dict[str, str] | None = None) -> str:
    """The message of a ``cntr`` that refuses: code 125, nothing on stdout, a sentence and a hint."""
    result = cntr(*arguments, env=env)
    assert result.returncode == 125
    assert result.stdout == b""
    message = result.stderr.decode()
    sentence, hint = message.rstrip("\n").split("\n")
    assert sentence.startswith("cntr: ")
    assert hint.startswith("  hint: ")
    assert "Traceback" not in message
    return message


def test_an_unknown_name_tells_what_each_engine_said() -> None:
    message = refusal("attach", "nobody-is-called-so", "--", "true")
    assert "container 'nobody-is-called-so' not found" in message
    assert "docker: no such container" in message
    assert "cntr list" in message


def test_a_name_that_a_docker_elsewhere_may_know(tmp_path: Path) -> None:
    env = {"DOCKER_HOST": "tcp://192.0.2.1:2375", "CNTR_STATE_DIR": str(tmp_path)}
    message = refusal("attach", "nobody-is-called-so", "--", "true", env=env)
    assert "'nobody-is-called-so'" in message
    assert "another machine" in message.splitlines()[0]


def test_an_empty_name_and_a_number_that_is_none() -> None:
    assert "the container's name is empty" in refusal("attach", "", "--", "true")
    assert "'1x' is no process ID" in refusal("attach", "pid://1x", "--", "true")


def test_a_name_with_control_characters_is_shown_as_text() -> None:
    assert "'a\\x1b[2J\\nb'" in refusal("attach", "a\x1b[2J\nb", "--", "true")


@pytest.mark.parametrize(
    ("redirection", "said"),
    [
        (">/dev/full", "/dev/full (devtmpfs at /dev) cannot be written: No space left on device"),
        ("1</dev/null", "cannot use stdin, stdout or stderr: Bad file descriptor"),
        ("0>/dev/null", "cannot use stdin, stdout or stderr: Bad file descriptor"),
    ],
)
def test_streams_that_cannot_be_used(debian: Running, redirection: str, said: str) -> None:
    line = f"'{PROGRAM}' attach {debian.name} -- sh -c 'cat; sleep 0.1; echo x' {redirection}"
    result = subprocess.run(["sh", "-c", line], capture_output=True, env=environment(), timeout=60)
    assert (result.returncode, result.stdout) == (125, b"")
    assert said in result.stderr.decode()
    assert b"report the traceback" not in result.stderr


def test_an_error_that_cannot_be_told_keeps_its_code() -> None:
    line = ["sh", "-c", f"'{PROGRAM}' attach nobody-is-called-so -- true 2>/dev/full"]
    assert subprocess.run(line, env=environment(), timeout=60).returncode == 125


def test_an_unknown_engine_lists_the_known_ones() -> None:
    assert "docker" in refusal("attach", "dokcer://web", "--", "true")


def test_a_container_called_like_a_process_wins_over_the_process(docker_run: DockerRun) -> None:
    pid = str(os.getpid())
    name = docker_run("busybox")
    subprocess.run(["docker", "rename", name, pid], check=True)
    try:
        for reference in (pid, f"docker://{pid}"):
            assert cntr("exec", reference, "--", "/bin/busybox", "true").returncode == 0
    finally:
        subprocess.run(["docker", "rename", pid, name], check=True)


def test_the_same_name_in_two_engines_is_ambiguous(docker_run: DockerRun, tmp_path: Path) -> None:
    from tests.support.images import archive

    name = docker_run("busybox")
    env = {"CNTR_STATE_DIR": str(tmp_path / "state")}
    subprocess.run(
        [PROGRAM, "run", "--detach", "--name", name, archive("busybox")],
        check=True,
        env=environment(env),
        timeout=60,
        stdout=subprocess.DEVNULL,
    )
    try:
        message = refusal("attach", name, "--", "true", env=env)
        assert f"'{name}' names 2 containers" in message
        assert f"docker://{name}" in message
        assert f"oci://{name}" in message
        assert cntr("exec", f"oci://{name}", "--", "/bin/busybox", "true", env=env).returncode == 0
    finally:
        stop = [PROGRAM, "stop", "--timeout", "0", name]
        subprocess.run(stop, check=True, env=environment(env), timeout=60, stdout=subprocess.DEVNULL)


def test_a_stopped_container(docker_run: DockerRun) -> None:
    name = docker_run("debian", command=("true",))
    subprocess.run(["docker", "wait", name], check=True, capture_output=True, timeout=30)
    message = refusal("attach", name, "--", "true")
    assert "not running (exited)" in message
    assert "start it" in message


def test_a_paused_container(docker_run: DockerRun) -> None:
    name = docker_run("debian", command=("sleep", "1000"))
    subprocess.run(["docker", "pause", name], check=True, capture_output=True, timeout=30)
    try:
        assert "is paused" in refusal("attach", name, "--", "true")
        pid = docker_pid(name)
        message = refusal("attach", f"pid://{pid}", "--", "true")
        assert "frozen" in message
        assert "--no-cgroup" in message
        assert cntr("attach", f"pid://{pid}", "--no-cgroup", "--", "true").returncode == 0
    finally:
        subprocess.run(["docker", "unpause", name], check=True, capture_output=True, timeout=30)


def test_a_full_pids_cgroup(docker_run: DockerRun) -> None:
    name = docker_run("debian", "--pids-limit", "1", command=("sleep", "1000"))
    message = refusal("attach", name, "--", "true")
    assert "as many processes as its pids limit allows" in message


def test_a_dead_process() -> None:
    process = subprocess.Popen(["true"])
    process.wait()
    assert f"no process {process.pid}" in refusal("attach", f"pid://{process.pid}", "--", "true")


def test_a_zombie_is_gone() -> None:
    process = subprocess.Popen(["true"])
    try:
        wait_until(lambda: Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z", "zombie")
        assert "has ended" in refusal("attach", f"pid://{process.pid}", "--", "true")
    finally:
        process.wait()


def test_a_kernel_thread_and_a_thread() -> None:
    assert "kernel thread" in refusal("attach", "pid://2", "--", "true")


def test_a_reused_process_number_is_noticed() -> None:
    from cntr_core.engine import pin
    from cntr_core.errors import ContainerNotRunning
    from cntr_core.types import Container, ContainerProcess, ContainerState

    container = Container("pid", "x", "x", ContainerState.RUNNING, os.getpid())
    with pytest.raises(ContainerNotRunning, match="has ended"), pin(ContainerProcess(container, os.getpid(), 1)):
        pass


@pytest.mark.parametrize("host", ["tcp://192.0.2.1:2375", "ssh://root@192.0.2.1"])
def test_a_remote_docker(debian: Running, host: str) -> None:
    started = time.monotonic()
    message = refusal("attach", f"docker://{debian.name}", "--", "true", env={"DOCKER_HOST": host})
    assert "another machine" in message
    assert "DOCKER_HOST" in message
    assert time.monotonic() - started < 10


def test_a_docker_that_does_not_run(tmp_path: Path) -> None:
    message = refusal("attach", "docker://web", "--", "true", env={"DOCKER_HOST": f"unix://{tmp_path}/none.sock"})
    assert "docker is not running" in message


def test_no_privileges(debian: Running) -> None:
    result = subprocess.run(
        command_as(65534, PROGRAM, "attach", f"pid://{debian.pid}", "--", "true"),
        capture_output=True,
        env=environment({"HOME": "/"}),
        timeout=60,
    )
    assert result.returncode == 125
    assert b"CAP_SYS_ADMIN" in result.stderr
    assert b"as root" in result.stderr


def test_no_fuse_device(debian: Running, fs: str) -> None:
    # In a mount namespace of its own, whose /dev has what programs need, and no fuse.
    script = (
        "mount -t tmpfs none /mnt && cp -a /dev/null /dev/zero /dev/urandom /dev/tty /mnt && mount --bind /mnt /dev; "
        f"exec '{PROGRAM}' attach {debian.name} --fs {fs} -- true"
    )
    result = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script], capture_output=True, env=environment(), timeout=60
    )
    if fs == "kernel":
        assert result.returncode == 0, result.stderr
    else:
        assert result.returncode == 125
        assert b"/dev/fuse" in result.stderr
        assert b"hint: " in result.stderr


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (("--fs", "ntfs"), "unknown filesystem backend 'ntfs'"),
        (("--tools", "toolboxes"), "'toolboxes' is not a source of tools"),
        (("--tools", "dir:/no/such/directory"), "/no/such/directory"),
        (("--tools", "container:nobody-is-called-so"), "container 'nobody-is-called-so' not found"),
        (("--tools", "image:/no/such/image.tar"), "/no/such/image.tar"),
        (("--user", "nobody-is-called-so"), "no user 'nobody-is-called-so'"),
        (("--user", "root:no-such-group"), "no group 'no-such-group'"),
        (("--cap-add", "SYS_EVERYTHING"), "SYS_EVERYTHING"),
        (("--inherit", "wealth"), "wealth"),
        (("--env", "=x"), "is not a variable"),
        (("--cwd", "/no/such/directory"), "working directory /no/such/directory"),
        (("--forward-socket", "relative"), "absolute paths"),
        (("--forward-socket", "/run/a:/home/me/a"), "below /run or /tmp"),
        (("--forward-socket", "/run/a:/run/../etc/a"), "no socket can be made at /etc/a"),
        (("--forward-socket", "/srv/a"), "below /run or /tmp"),
        (("--forward-socket", "/run/a:/run"), "below /run or /tmp"),
        (("--forward-socket", "/run/a:/run/b:/run/c"), "two paths at most"),
        (("--forward-socket", "/run/a:/run/" + "b" * 103), "107 bytes"),
        (("--timeout", "soon"), "'--timeout'"),
        (("--timeout", "nan"), "--timeout cannot be nan"),
        (("--timeout", "inf"), "--timeout cannot be inf"),
        (("--timeout", "1e9"), "2000000 at most"),
        (("--no-such-option",), "--no-such-option"),
    ],
)
def test_every_wrong_option_is_explained(debian: Running, option: tuple[str, ...], said: str) -> None:
    assert said in refusal("attach", debian.name, *option, "--", "true")


@pytest.mark.parametrize(("shell", "said"), [("'", "a quote is not closed"), ("", "is empty"), ("''", "is empty")])
def test_a_shell_that_is_none(debian: Running, shell: str, said: str) -> None:
    assert said in refusal("attach", debian.name, "--shell", shell)


def test_a_shell_with_arguments(debian: Running) -> None:
    result = cntr("attach", debian.name, "--shell", "sh -c 'echo from $0' here")
    assert (result.returncode, result.stdout) == (0, b"from here\n")


def test_two_sockets_in_one_place(debian: Running) -> None:
    both = ("--forward-socket", "/run/a:/run/x", "--forward-socket", "/run/b:/run/x")
    assert "no socket can be made at /run/x: Address already in use" in refusal("attach", debian.name, *both)


@pytest.mark.parametrize("command", ["attach", "exec"])
def test_an_empty_command(debian: Running, command: str) -> None:
    assert "the command is empty" in refusal(command, debian.name, "--", "", "argument")


def test_a_command_is_required_for_exec(debian: Running) -> None:
    assert "COMMAND" in refusal("exec", debian.name)


def test_a_corrupt_archive_as_tools(debian: Running, tmp_path: Path) -> None:
    archive = tmp_path / "image.tar"
    archive.write_bytes(b"this is no archive" * 1000)
    assert str(archive) in refusal("attach", debian.name, "--tools", f"image:{archive}", "--", "true")


def test_tools_without_a_shell_say_that_none_was_found(debian: Running, tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    result = cntr("attach", debian.name, "--tools", f"dir:{tmp_path}")
    assert result.returncode == 127
    assert b"command not found" in result.stderr


def test_a_name_with_a_typo(debian: Running) -> None:
    typo = debian.name[:-1] + ("x" if debian.name[-1] != "x" else "y")
    for words in (("exec", typo, "--", "true"), ("attach", typo), ("cp", f"{typo}:/etc/hostname", "-")):
        assert f"hint: did you mean docker://{debian.name}" in refusal(*words)


def test_a_program_of_the_host_that_is_not_shown_is_told(debian: Running) -> None:
    with tempfile.TemporaryDirectory(prefix="cntr-test-", dir="/var/local") as place:
        program, link = Path(place, "cntr-hidden"), Path(place, "cntr-link")
        program.write_text("#!/bin/sh\necho works\n")
        program.chmod(0o755)
        link.symlink_to(program)
        for name in ("cntr-hidden", "cntr-link", str(program)):
            found = Path(place, name)
            result = cntr("attach", debian.name, "--", name, env={"PATH": f"{place}:/usr/bin:/bin"})
            assert result.returncode in (126, 127)
            hint = f"hint: the host has {found}, which is not shown: give --tools dir:/ and this path\n"
            assert hint in result.stderr.decode()
            assert output("attach", debian.name, "--tools", "dir:/", "--", str(found)) == "works\n"
        program.chmod(0o644)
        for name, options in (("cntr-hidden", ()), ("absent", ()), (str(program), ("--tools", "dir:/usr"))):
            result = cntr("attach", debian.name, *options, "--", name, env={"PATH": f"{place}:/usr/bin:/bin"})
            assert result.returncode == 127 and b"not shown" not in result.stderr


def test_an_old_kernel_is_named(debian: Running) -> None:
    # The kernel itself refuses: ENOSYS for open_tree(2), as Linux before 5.2 answers.
    line = [*refusing(428, errno.ENOSYS), PROGRAM, "attach", debian.name, "--fs", "kernel", "--", "true"]
    result = subprocess.run(line, capture_output=True, env=environment(), timeout=60)
    assert result.returncode == 125
    assert b"it came with Linux 5.2" in result.stderr


def test_debug_adds_a_traceback(debian: Running) -> None:
    result = cntr("attach", debian.name, "--debug", "--tools", "toolbox", "--", "true")
    assert result.returncode == 125
    assert b"Traceback" in result.stderr


def test_a_program_whose_interpreter_is_missing(debian: Running) -> None:
    docker_exec(debian.name, "sh", "-c", "printf '#!/no/such\\n' >/tmp/bad && chmod +x /tmp/bad")
    result = cntr("exec", debian.name, "--", "/tmp/bad")
    docker_exec(debian.name, "rm", "/tmp/bad")
    assert result.returncode == 126
    assert b"cannot execute /tmp/bad: its interpreter or loader is missing" in result.stderr


@pytest.mark.parametrize("command", ["attach", "exec"])
def test_a_command_that_may_not_be_executed_is_not_said_to_be_absent(docker_run: DockerRun, command: str) -> None:
    """126 and 127 as docker has them, and what is missing in words."""
    name = docker_run("debian", command=("sleep", "1000"))
    script = "mkdir -m 755 /open; cp /bin/true /root/closed; cp /bin/true /open/plain; chmod 644 /open/plain"
    docker_exec(name, "sh", "-c", script)
    below = "/var/lib/cntr" if command == "attach" else ""
    for words, code, said in (
        ((f"{below}/root/closed",), 126, f"cannot execute {below}/root/closed: permission denied"),
        ((f"{below}/root/absent",), 126, f"cannot execute {below}/root/absent: permission denied"),
        ((f"{below}/open/plain",), 126, f"cannot execute {below}/open/plain: permission denied"),
        ((f"{below}/open",), 126, f"cannot execute {below}/open: it is a directory"),
        ((f"{below}/open/absent",), 127, f"command not found: {below}/open/absent\n  hint: check the path"),
        ((f"{below}/open/plain/x",), 127, f"command not found: {below}/open/plain/x"),
        ((f"{below}/" + "x" * 300,), 126, "file name too long"),
        (("absent",), 127, "command not found: absent\n  hint: it is looked for in the session's PATH; cntr toolbox"),
    ):
        options = ("--user", "1000", "--env", f"PATH=/usr/bin:/bin:{below}/open")
        result = cntr(command, name, *options, "--", *words)
        assert (result.returncode, result.stdout) == (code, b""), words
        assert said in result.stderr.decode()
    options = ("--user", "1000", "--env", f"PATH=/bin:{below}/root")
    result = cntr(command, name, *options, "--", "closed")
    assert result.returncode == 127
    assert f"command not found: closed; there is no permission to look in {below}/root\n" in result.stderr.decode()
    assert cntr(command, name, *options, "--", "true").returncode == 0


def test_dry_run_prints_the_steps_and_changes_nothing(containers: Containers) -> None:
    from tests.integration.session.conftest import state_of

    container = containers.get("user-1000")
    before = state_of(container.pid)
    result = cntr("attach", container.name, "--dry-run", "--", "touch", "/tmp/x")
    assert result.returncode == 0
    lines = result.stdout.decode().splitlines()
    assert any("join the namespaces" in line for line in lines)
    assert any("bind the container's tree to /var/lib/cntr" in line for line in lines)
    assert any("uid 1000, gid 1001" in line for line in lines)
    assert "touch /tmp/x" in lines[-1]
    assert state_of(container.pid) == before
    assert b"chroot" in cntr("exec", container.name, "--dry-run", "--", "true").stdout
