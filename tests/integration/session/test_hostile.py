"""A container that wants something from its session gets nothing (issue: must be true, 7)."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.session.conftest import Running
from tests.support.cntr import PROGRAM, UNMEASURED, children, cntr, descendants, environment, output, running
from tests.support.images import DockerRun

pytestmark = pytest.mark.requires("root", "docker", "fuse", "strace")

PLANTED = ("etc/passwd", "etc/group", "etc/hosts", "etc/hostname", "etc/resolv.conf", "etc/localtime", "proc", "sys",
           "dev", "var/lib/cntr", "tmp", "run", "var/tmp")  # fmt: skip
"""Every path that a session touches."""


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """What planted links want to reach: a directory of the host, full of names that a session asks for."""
    for name in ("pts", "etc"):
        (tmp_path / name).mkdir()
    for name in ("null", "ptmx", "passwd", "secret"):
        (tmp_path / name).write_text("host secret\n")
    return tmp_path


@pytest.fixture
def chrooted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, int]]:
    """A process whose root holds busybox and nothing else, in mount and PID namespaces of its own."""
    root = tmp_path_factory.mktemp("hostile")
    (root / "bin").mkdir()
    shutil.copy("/bin/busybox", root / "bin/busybox")
    line = ["unshare", "--mount", "--pid", "--fork", "chroot", str(root), "/bin/busybox", "sleep", "1000"]
    process = subprocess.Popen(line)
    try:
        from tests.support.cntr import wait_until

        wait_until(lambda: _sleeper(process.pid), "the process runs")
        yield root, _sleeper(process.pid)
    finally:
        for pid in [*descendants(process.pid), process.pid]:
            os.kill(pid, 9)
        process.wait()


def _sleeper(pid: int) -> int:
    for child in descendants(pid):
        if os.readlink(f"/proc/{child}/exe").endswith("/bin/busybox"):
            return child
    return 0


def test_planted_links_lead_nowhere_else(chrooted: tuple[Path, int], outside: Path, fs: str) -> None:
    root, pid = chrooted
    before = {str(p): p.stat().st_mtime_ns for p in outside.rglob("*")}
    ups = "../" * 12
    for n, path in enumerate(PLANTED):
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        # Absolute, and by more dots than there are directories, in turn.
        reaches = outside / "secret" if path.startswith("etc") else outside
        target.symlink_to(reaches if n % 2 else ups + str(reaches).lstrip("/"))
    script = (
        "cat /etc/passwd /etc/group /etc/hosts /etc/hostname /etc/resolv.conf /etc/localtime 2>&1; "
        "ls /dev /sys /run /tmp; echo > /tmp/x; echo > /run/x; ls -d /proc/self"
    )
    result = cntr("attach", f"pid://{pid}", "--fs", fs, "--", "sh", "-c", script)
    assert result.returncode == 0, result.stderr
    assert b"host secret" not in result.stdout
    assert b"ptmx" not in result.stdout, "the container's /dev is no directory of the host"
    assert {str(p): p.stat().st_mtime_ns for p in outside.rglob("*")} == before
    assert sorted(os.listdir(root)) == sorted({"bin", "etc", "proc", "sys", "dev", "var", "tmp", "run"})


def test_links_of_the_container_are_followed_inside_it(chrooted: tuple[Path, int]) -> None:
    root, pid = chrooted
    (root / "etc").mkdir()
    (root / "real").write_text("root:x:0:0:inside:/:/bin/sh\n")
    (root / "etc/passwd").symlink_to("/real")
    assert output("attach", f"pid://{pid}", "--", "cat", "/etc/passwd") == "root:x:0:0:inside:/:/bin/sh\n"


def test_fifos_and_devices_in_place_of_files_neither_hang_nor_open(chrooted: tuple[Path, int]) -> None:
    root, pid = chrooted
    (root / "etc").mkdir()
    os.mkfifo(root / "etc/passwd")
    os.mknod(root / "etc/hosts", 0o20666, os.makedev(1, 8))
    os.mkfifo(root / "dev")
    printed = output(
        "attach",
        f"pid://{pid}",
        "--",
        "sh",
        "-c",
        "head -n1 /etc/passwd; test -f /etc/hosts || echo none; echo > /dev/null",
    )
    assert printed == "root:x:0:0:root:/root:/bin/sh\nnone\n"


def test_a_process_without_proc_and_dev_gets_new_ones(chrooted: tuple[Path, int]) -> None:
    printed = output("attach", f"pid://{chrooted[1]}", "--", "sh", "-c", "cat /proc/1/comm; head -c1 /dev/zero | wc -c")
    assert printed == "busybox\n1\n"


def test_the_root_of_a_chrooted_process_is_what_is_shown(chrooted: tuple[Path, int]) -> None:
    assert output("attach", f"pid://{chrooted[1]}", "--", "ls", "/var/lib/cntr") == "bin\n"
    assert output("exec", f"pid://{chrooted[1]}", "--", "/bin/busybox", "ls", "/") == "bin\n"


def test_what_waits_in_the_container_is_not_dumpable_and_holds_nothing_of_the_host(debian: Running) -> None:
    with running(
        "attach", debian.name, "--", "sh", "-c", "echo ready; sleep 1000", env={"SECRET": "hunter2", **UNMEASURED}
    ) as session:
        assert session.stdout is not None
        assert session.stdout.readline() == b"ready\n"
        monitor = next(child for child in children(session.pid) if children(child))
        builder = children(monitor)[0]
        reaper = children(builder)[0]
        for pid in (monitor, builder, reaper):
            # A process that is not dumpable has a /proc directory that belongs to root whoever it runs as; a
            # processes of the same user may not follow its links.
            assert _hidden_from_its_own_user(pid)
            with open(f"/proc/{pid}/environ", "rb") as file:
                assert b"hunter2" not in file.read()
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                assert file.read().rstrip(b"\0") == b"cntr: session"
        targets = {os.readlink(f"/proc/{reaper}/fd/{fd}") for fd in os.listdir(f"/proc/{reaper}/fd")}
        kinds = {re.sub(r"\[\d+\]|/\d+$", "", target) for target in targets}
        assert kinds <= {"/dev/null", "pipe:", "socket:", "/proc"}
        with open(f"/proc/{reaper}/status") as reapers, open(f"/proc/{debian.pid}/status") as targets_status:
            wanted = ("Uid:", "Gid:", "Cap", "NoNewPrivs")
            assert [line for line in reapers if line.startswith(wanted)] == [
                line for line in targets_status if line.startswith(wanted)
            ]


def _hidden_from_its_own_user(pid: int) -> bool:
    """Whether a process with the same ids, and the capabilities of a default container, may read the exe link."""
    line = ["setpriv", "--bounding-set=-sys_ptrace", "readlink", f"/proc/{pid}/exe"]
    return subprocess.run(line, capture_output=True).returncode != 0


def test_the_next_process_in_the_container_has_nothing_of_the_host_from_its_first_moment(debian: Running) -> None:
    """What a container that may trace its processes could take from one that is about to become the command."""
    with running("attach", debian.name, "--", "sh", "-c", "echo ready; sleep 1000", env=UNMEASURED) as session:
        assert session.stdout is not None
        assert session.stdout.readline() == b"ready\n"
        monitor = next(child for child in children(session.pid) if children(child))
        builder = children(monitor)[0]
        # The builder has given up what its child, which the container sees, was not to inherit.
        links = {os.readlink(f"/proc/{builder}/fd/{fd}") for fd in os.listdir(f"/proc/{builder}/fd")}
        assert {re.sub(r"\[\d+\]", "", link) for link in links} <= {"/dev/null", "socket:"}
        with open(f"/proc/{builder}/status") as status, open(f"/proc/{debian.pid}/status") as target:
            sets = [
                {line.split(":")[0]: line.split()[1] for line in f if line.startswith("Cap")} for f in (status, target)
            ]
        assert sets[0]["CapPrm"] == sets[1]["CapPrm"], "a container by default has KILL, SETUID, SETGID and SETPCAP"
        assert sets[0]["CapBnd"] == sets[1]["CapBnd"]


def test_a_program_that_names_its_caller_as_interpreter_gets_a_read_only_one(debian: Running) -> None:
    """CVE-2019-5736's way: ``#!/proc/self/exe`` runs the host's python as a process of the container."""
    script = "#!/proc/self/exe\nimport os\nprint(bool(os.statvfs('/proc/self/exe').f_flag & os.ST_RDONLY))\n"
    place = f"/proc/{debian.pid}/root/root/evil"
    with open(place, "w") as file:
        file.write(script)
    os.chmod(place, 0o755)
    try:
        assert output("attach", debian.name, "--", "/var/lib/cntr/root/evil") == "True\n"
    finally:
        os.unlink(place)
    # A container's own loader may do the same with `cntr exec`: the program itself runs read-only.
    with running("exec", debian.name, "--", "sh", "-c", "echo ready; cat") as session:
        assert session.stdout is not None
        assert session.stdout.readline() == b"ready\n"
        assert os.statvfs(f"/proc/{session.pid}/exe").f_flag & os.ST_RDONLY


def test_a_device_or_link_in_place_of_ptmx_is_not_opened(chrooted: tuple[Path, int]) -> None:
    root, pid = chrooted
    (root / "dev").mkdir()
    (root / "victim").write_text("untouched")
    (root / "dev/ptmx").symlink_to("/var/lib/cntr/victim")
    line = f"{PROGRAM} attach pid://{pid} -- sh -c 'test -t 0 && echo terminal; cat /var/lib/cntr/victim'"
    result = subprocess.run(
        ["script", "--quiet", "--return", "--command", line, "/dev/null"],
        capture_output=True, env=environment(), timeout=60,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout
    assert b"terminal" in result.stdout
    assert b"untouched" in result.stdout


def test_no_process_of_the_session_has_the_fuse_device(debian: Running, fs: str) -> None:
    with running("attach", debian.name, "--fs", fs, "--", "sh", "-c", "echo ready; sleep 1000") as session:
        assert session.stdout is not None
        assert session.stdout.readline() == b"ready\n"
        monitor = next(child for child in children(session.pid) if children(child))
        for pid in [session.pid, monitor, *descendants(monitor)]:
            links = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
            assert "/dev/fuse" not in links


def test_nothing_of_the_container_is_loaded_on_the_way(docker_run: DockerRun, tmp_path: Path) -> None:
    """After it has joined the mount namespace, ours opens no file but those of its plan (CVE-2019-14271's class)."""
    name = docker_run("debian", command=("sleep", "1000"))
    trace = tmp_path / "trace"
    line = [
        "strace",
        "-f",
        "-qq",
        "-o",
        str(trace),
        "-e",
        "trace=setns,open,openat,execve,exit_group,clone,fork,vfork,clone3",
    ]
    subprocess.run(
        [*line, PROGRAM, "attach", name, "--", "/bin/true"], check=True, env=environment(UNMEASURED), timeout=60
    )
    opened = _opened_inside(trace.read_text())
    assert opened, "the trace shows the session"
    allowed = re.compile(
        r'^("/proc/self(/oom_score_adj|/stat)?"|"/"|"attr/.*"|"ptmx"|"/dev/null"|"self(/ns/mnt)?"|"file")'
    )
    assert [path for path in opened if not allowed.match(path)] == []


def _opened_inside(trace: str) -> list[str]:
    """What was opened by name between setns(CLONE_NEWNS) and execve, by that process and its children."""
    inside: set[str] = set()
    opened = []
    for line in trace.splitlines():
        pid, call = line.split(None, 1)
        if call.startswith("setns(") and "CLONE_NEWNS" in call:
            inside.add(pid)
        elif match := re.match(r"(?:clone|fork|vfork|clone3)\(.*= (\d+)$", call):
            if pid in inside:
                inside.add(match[1])
        elif call.startswith("execve("):
            inside.discard(pid)
        elif pid in inside and (match := re.match(r"open(?:at)?\((?:AT_FDCWD, |\d+, )?(\"[^\"]*\")", call)):
            opened.append(match[1])
    return opened
