"""Sessions in the containers of an ordinary user's podman: as root, and as that user, who has no privileges at all."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cntr import PROGRAM, descendants, environment, is_alive, living_in, wait_until
from tests.support.reachable import command_as
from tests.support.rootless import FIRST_SUBORDINATE, GID, UID, OrdinaryUser, made_user
from tests.support.terminal import Terminal

pytestmark = pytest.mark.requires(
    "root", "fuse", "podman", "runc", "busybox", "newuidmap", "nsenter", "setpriv", "unshare", "ordinary-user"
)


@pytest.fixture(scope="module")
def container(ordinary_user: OrdinaryUser) -> str:
    return ordinary_user.start("busybox")


@pytest.fixture(params=["pyfuse3", "direct"])
def fuse(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def _owner(user: OrdinaryUser, container: str, path: str) -> tuple[int, int]:
    """Who owns a file of the container, as the host sees it."""
    status = os.stat(f"/proc/{user.pid(container)}/root/{path}")
    return status.st_uid, status.st_gid


def test_the_users_own_container_needs_no_privileges(ordinary_user: OrdinaryUser, container: str, fuse: str) -> None:
    script = "set -e; ls -l /usr/bin/id; touch made; id -u; readlink /proc/1/exe"
    done = ordinary_user.cntr("attach", container, "--fs", fuse, "--", "sh", "-c", script)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1:] == ["0", "/bin/busybox"]
    assert done.stderr == ""
    assert _owner(ordinary_user, container, "made") == (UID, GID)


@pytest.mark.parametrize("command", ["attach", "exec"])
def test_a_dry_run_lists_joining_the_user_namespace(ordinary_user: OrdinaryUser, container: str, command: str) -> None:
    join = f"join the user namespace of podman://{container}"
    done = ordinary_user.cntr(command, container, "--dry-run", "--", "true")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].endswith(join)
    as_root = ordinary_user.sudo_cntr(command, container, "--dry-run", "--", "true")
    assert as_root.returncode == 0 and join not in as_root.stdout


def test_root_enters_it_by_name_for_who_called_sudo(ordinary_user: OrdinaryUser, container: str, fuse: str) -> None:
    script = "set -e; touch by-root; id -u; readlink /proc/1/exe; cat /proc/self/cgroup"
    done = ordinary_user.sudo_cntr("attach", container, "--fs", fuse, "--", "sh", "-c", script)
    assert done.returncode == 0, done.stderr
    uid, program, *cgroups = done.stdout.splitlines()
    assert (uid, program) == ("0", "/bin/busybox")
    assert _owner(ordinary_user, container, "by-root") == (UID, GID)
    with open(f"/proc/{ordinary_user.pid(container)}/cgroup") as file:
        assert cgroups == file.read().splitlines()


@pytest.mark.parametrize("as_root", [False, True], ids=["user", "root"])
def test_ids_of_every_extent_are_right_on_both_sides(
    ordinary_user: OrdinaryUser, container: str, fuse: str, as_root: bool
) -> None:
    """The user is 0 inside, and 1 to 65536 are its subordinate ids: two extents."""
    cntr = ordinary_user.sudo_cntr if as_root else ordinary_user.cntr
    script = "set -e; touch a b; chown 1:1 a; chown 33:44 b; stat -c %u:%g a b /var/lib/cntr; stat -c %u /usr/bin/id"
    done = cntr("attach", container, "--fs", fuse, "--", "sh", "-c", script)
    assert done.returncode == 0, done.stderr
    nobody = "65534"  # the host's root does not exist there
    assert done.stdout.split() == ["1:1", "33:44", "0:0", nobody]
    assert _owner(ordinary_user, container, "a") == (FIRST_SUBORDINATE, FIRST_SUBORDINATE)
    assert _owner(ordinary_user, container, "b") == (FIRST_SUBORDINATE + 32, FIRST_SUBORDINATE + 43)


@pytest.mark.requires("getfacl")
@pytest.mark.parametrize("as_root", [False, True], ids=["user", "root"])
def test_acls_are_mapped(ordinary_user: OrdinaryUser, container: str, as_root: bool) -> None:
    cntr = ordinary_user.sudo_cntr if as_root else ordinary_user.cntr
    script = "set -e; touch acl; setfacl -b -m u:33:rw acl; getfacl -cn acl"
    done = cntr("attach", container, "--", "sh", "-c", script)
    assert done.returncode == 0, done.stderr
    assert "user:33:rw-" in done.stdout.splitlines()
    path = f"/proc/{ordinary_user.pid(container)}/root/acl"
    shown = subprocess.run(["getfacl", "-cn", path], capture_output=True, text=True, check=True, timeout=20).stdout
    assert f"user:{FIRST_SUBORDINATE + 32}:rw-" in shown.splitlines()


@pytest.mark.parametrize("as_root", [False, True], ids=["user", "root"])
def test_another_user_of_the_container(ordinary_user: OrdinaryUser, as_root: bool) -> None:
    name = ordinary_user.start("busybox", "--user", "1000:1001", "--tmpfs", "/w:mode=1777")
    cntr = ordinary_user.sudo_cntr if as_root else ordinary_user.cntr
    done = cntr("attach", name, "--", "sh", "-c", "id -u; id -g; touch w/made")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["1000", "1001"]
    assert _owner(ordinary_user, name, "w/made") == (FIRST_SUBORDINATE + 999, FIRST_SUBORDINATE + 1000)


def test_a_container_in_which_the_user_keeps_its_id(ordinary_user: OrdinaryUser, fuse: str) -> None:
    """Its user namespace lies in podman's, and root inside is somebody else: three extents."""
    name = ordinary_user.start("busybox", "--userns", "keep-id", "--tmpfs", "/w:mode=1777")
    done = ordinary_user.cntr("attach", name, "--fs", fuse, "--", "sh", "-c", "id -u; touch w/made")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(UID)]
    assert _owner(ordinary_user, name, "w/made") == (UID, GID)


@pytest.fixture
def delegated() -> Iterator[Path]:
    """A cgroup with two below it, in which the user may move processes."""
    roots = (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified"))
    root = next(path for path in roots if (path / "cgroup.subtree_control").exists())
    top = root / f"cntr-test-{uuid.uuid4().hex[:8]}"
    groups = (top, top / "ours", top / "theirs")
    for group in groups:
        group.mkdir()
        os.chown(group / "cgroup.procs", UID, GID)
    yield top
    for group in reversed(groups):
        for pid in (group / "cgroup.procs").read_text().split():
            (root / "cgroup.procs").write_text(pid)
        group.rmdir()


@pytest.mark.requires("cgroup-v2")
@pytest.mark.parametrize("allowed", [True, False], ids=["delegated", "not above"])
def test_the_cgroup_is_joined_where_the_user_may(
    ordinary_user: OrdinaryUser, container: str, delegated: Path, allowed: bool
) -> None:
    """By cgroups(7) one must be able to write to the group above both, too."""
    if not allowed:
        os.chown(delegated / "cgroup.procs", 0, 0)
    (delegated / "theirs/cgroup.procs").write_text(str(ordinary_user.pid(container)))
    script = f'echo $$ >{delegated}/ours/cgroup.procs; exec "$@"'
    line = [PROGRAM, "attach", container, "--", "sh", "-c", "grep ^0:: /proc/self/cgroup"]
    command = ordinary_user.command(*line)
    done = subprocess.run(
        ["sh", "-c", script, "sh", *command],
        env=ordinary_user.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].endswith("/theirs" if allowed else "/ours"), done.stdout.splitlines()[0]


def test_the_containers_own_programs(ordinary_user: OrdinaryUser, container: str) -> None:
    done = ordinary_user.cntr("exec", container, "--", "/bin/busybox", "readlink", "/proc/self/exe")
    assert (done.stdout, done.returncode) == ("/bin/busybox\n", 0), done.stderr


def test_a_program_that_names_its_caller_as_interpreter_gets_a_read_only_one(
    ordinary_user: OrdinaryUser, container: str
) -> None:
    """The interpreter may belong to the user, and so to the container's root (CVE-2019-5736's class)."""
    script = "#!/proc/self/exe\nimport os\nprint(bool(os.statvfs('/proc/self/exe').f_flag & os.ST_RDONLY))\n"
    write = 'printf %s "$SCRIPT" >evil && chmod 755 evil'
    done = ordinary_user.cntr("attach", container, "--env", f"SCRIPT={script}", "--", "sh", "-c", write)
    assert done.returncode == 0, done.stderr
    done = ordinary_user.cntr("attach", container, "--", "/var/lib/cntr/evil")
    assert (done.stdout, done.returncode) == ("True\n", 0), done.stderr


def test_an_interpreter_that_the_container_could_write_is_not_used(ordinary_user: OrdinaryUser, container: str) -> None:
    """It is the user's, and is kept read-only; where that cannot be (as the mark pretends) nothing is entered."""
    own = ordinary_user.home / "python"
    shutil.copy(os.path.realpath(sys.executable), own)
    os.chown(own, UID, GID)
    program = "import site, sys; site.addsitedir(sys.argv.pop(1)); from cntr_core.cli import main; main()"
    line = (str(own), "-c", program, sysconfig.get_path("purelib"), "attach", container, "--", "echo", "entered")
    done = ordinary_user.run(*line, check=False)
    assert (done.stdout, done.returncode) == ("entered\n", 0), done.stderr
    done = ordinary_user.run(*line, check=False, env={"_CNTR_READ_ONLY": "1"})
    assert (done.stdout, done.returncode) == ("", 125)
    assert f"{own} is writable for you" in done.stderr


@pytest.mark.requires("gdb")
def test_a_debugger_reaches_the_containers_process(ordinary_user: OrdinaryUser, container: str) -> None:
    line = ("gdb", "-batch", "-p", "1", "-ex", "info proc")
    done = ordinary_user.cntr("attach", "--cap-add", "SYS_PTRACE", container, "--", *line)
    assert "exe = '/bin/busybox'" in done.stdout, done.stderr


def test_the_session_has_a_terminal(ordinary_user: OrdinaryUser, container: str) -> None:
    with Terminal() as terminal:
        terminal.resize(33, 99)
        line = ordinary_user.command(PROGRAM, "attach", container, "--", "sh", "-c", "tty; stty size; read x; exit 7")
        process = subprocess.Popen(
            line,
            stdin=terminal.slave,
            stdout=terminal.slave,
            stderr=terminal.slave,
            env=ordinary_user.environment(),
            start_new_session=True,
        )
        terminal.expect(b"/dev/pts/")
        terminal.expect(b"33 99")
        terminal.type(b"\r")
        assert process.wait(20) == 7


def test_what_a_command_leaves_running_ends_with_the_session(ordinary_user: OrdinaryUser, container: str) -> None:
    pid = ordinary_user.pid(container)
    before = living_in(pid)
    done = ordinary_user.cntr("attach", container, "--", "sh", "-c", "setsid sleep 1000 & sleep 0.2; exit 3")
    assert done.returncode == 3, done.stderr
    wait_until(lambda: living_in(pid) == before, "nothing else lives in the container")


def test_nothing_is_left_when_cntr_is_killed(ordinary_user: OrdinaryUser, container: str, fuse: str) -> None:
    pid = ordinary_user.pid(container)
    before = living_in(pid), _mounts(pid), _mounts(ordinary_user.holder)
    line = ordinary_user.command(
        PROGRAM, "attach", container, "--fs", fuse, "--", "sh", "-c", "setsid sleep 1000 & echo ready; sleep 1000"
    )
    with subprocess.Popen(line, stdout=subprocess.PIPE, env=ordinary_user.environment()) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        ours = descendants(process.pid)
        process.send_signal(signal.SIGKILL)
        process.wait(20)
        wait_until(lambda: not any(map(is_alive, ours)), "all of our processes are gone")
    wait_until(lambda: (living_in(pid), _mounts(pid), _mounts(ordinary_user.holder)) == before, "all is as before")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_signals_end_the_session(ordinary_user: OrdinaryUser, container: str, number: signal.Signals) -> None:
    before = living_in(ordinary_user.pid(container))
    line = ordinary_user.command(PROGRAM, "attach", container, "--", "sh", "-c", "echo ready; sleep 1000")
    with subprocess.Popen(line, stdout=subprocess.PIPE, env=ordinary_user.environment()) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(number)
        assert process.wait(20) == 128 + number
    wait_until(lambda: living_in(ordinary_user.pid(container)) == before, "nothing else lives in the container")


def test_a_dead_server_ends_the_session_with_a_message(ordinary_user: OrdinaryUser, container: str, fuse: str) -> None:
    line = ordinary_user.command(
        PROGRAM, "attach", container, "--fs", fuse, "--", "sh", "-c", "echo ready; while :; do cat /etc/*; done"
    )
    pipe = subprocess.PIPE
    with subprocess.Popen(line, stdout=pipe, stderr=pipe, env=ordinary_user.environment()) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        server = next(pid for pid in descendants(process.pid) if _name(pid) == "cntr-fs")
        os.kill(server, signal.SIGKILL)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 125
    assert b"the filesystem server died" in errors


def _name(pid: int) -> str:
    with open(f"/proc/{pid}/comm") as file:
        return file.read().strip()


def _mounts(pid: int) -> bytes:
    with open(f"/proc/{pid}/mountinfo", "rb") as file:
        return file.read()


def test_the_kernel_backend_is_refused_in_one_sentence(ordinary_user: OrdinaryUser, container: str) -> None:
    done = ordinary_user.cntr("attach", container, "--fs", "kernel", "--", "true")
    assert done.returncode == 125
    said, hint = done.stderr.splitlines()
    assert "--fs kernel" in said and "root" in said
    assert "--fs pyfuse3" in hint


@pytest.mark.parametrize("own", [False, True], ids=["somebody else's", "no container"])
def test_what_is_no_rootless_container_of_ones_own_is_refused(ordinary_user: OrdinaryUser, own: bool) -> None:
    line = ["sleep", "1000"]
    with subprocess.Popen(ordinary_user.command(*line) if own else line) as process:
        wait_until(lambda: os.readlink(f"/proc/{process.pid}/exe").endswith("sleep"), "it runs")
        done = ordinary_user.cntr("attach", f"pid://{process.pid}", "--", "true")
        process.kill()
    assert done.returncode == 125
    said, hint = done.stderr.splitlines()
    assert "not a rootless container of yours" in said
    assert "sudo" in hint


def test_tools_of_an_image_and_of_another_container(ordinary_user: OrdinaryUser, container: str) -> None:
    other = ordinary_user.start("busybox")
    image = ordinary_user.podman_image("busybox")
    archive = str(ordinary_user.home / "busybox.tar")
    ordinary_user.podman("save", "--quiet", "--output", archive, image)
    for tools in (f"container:{other}", f"image:{archive}", f"image:{image}"):
        done = ordinary_user.cntr("attach", container, "--tools", tools, "--", "/bin/busybox", "id", "-u")
        assert (done.stdout, done.returncode) == ("0\n", 0), done.stderr


def test_tools_that_are_not_the_users_to_write(ordinary_user: OrdinaryUser, container: str) -> None:
    done = ordinary_user.cntr("attach", container, "--rw-tools", "--tools", "dir:/", "--", "true")
    assert done.returncode == 125
    said, hint = done.stderr.splitlines()
    assert "cannot be written to" in said
    assert "--tools dir:PATH" in hint


def test_a_device_that_may_not_be_opened_is_named() -> None:
    with made_user(fuse=False) as user:
        name = user.start("busybox")
        done = user.cntr("attach", name, "--", "true")
    assert done.returncode == 125
    said, hint = done.stderr.splitlines()
    assert "/dev/fuse" in said and "Permission denied" in said
    assert "chmod 666 /dev/fuse" in hint


def test_another_ordinary_user_is_refused(ordinary_user: OrdinaryUser, container: str) -> None:
    line = command_as(4713, PROGRAM, "attach", f"pid://{ordinary_user.pid(container)}", "--", "true")
    done = subprocess.run(line, capture_output=True, text=True, env=environment(), timeout=60, cwd="/")
    assert done.returncode == 125
    assert "not a rootless container of yours" in done.stderr
