"""What a session sees and who it is, on containers of every kind (issue: must be true, 1 and 2)."""

from __future__ import annotations

import os
import re
import subprocess

import pytest

from tests.integration.session.conftest import Containers, Running, state_of
from tests.support.cntr import PROGRAM, cntr, docker_exec, docker_pid, environment, output, wait_until
from tests.support.images import DockerRun

pytestmark = pytest.mark.requires("root", "docker", "fuse", "strace", "gdb")


def attach(container: Running, *command: str | bytes, options: tuple[str, ...] = ()) -> str:
    return output("attach", f"docker://{container.name}", *options, "--", *command)


def status_of(pid: int) -> dict[str, str]:
    with open(f"/proc/{pid}/status") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


def test_every_kind_of_container_runs_a_command_of_the_host(container: Running, fs: str) -> None:
    printed = attach(container, "sh", "-c", "cat /proc/1/comm; pwd; ps -o pid= 1", options=("--fs", fs))
    assert printed.split() == ["busybox" if container.kind == "scratch" else "sleep", "/var/lib/cntr", "1"]


def test_the_session_has_the_hostname_network_and_names_of_the_container(debian: Running) -> None:
    seen = attach(debian, "sh", "-c", "hostname; cat /etc/hostname /etc/resolv.conf /etc/hosts; cat /proc/net/route")
    expected = docker_exec(
        debian.name, "sh", "-c", "hostname; cat /etc/hostname /etc/resolv.conf /etc/hosts; cat /proc/net/route"
    )
    assert seen == expected


def test_users_are_the_containers_own(debian: Running) -> None:
    docker_exec(
        debian.name, "sh", "-c", "grep -q ^inside: /etc/passwd || echo inside:x:4321:4321::/:/bin/sh >>/etc/passwd"
    )
    assert attach(debian, "id", "-u", "inside").strip() == "4321"
    shown = attach(debian, "cat", "/etc/passwd").replace(":sys:/:", ":sys:/dev:")  # no home where the container writes
    assert shown == docker_exec(debian.name, "cat", "/etc/passwd")


def test_a_container_without_users_does_not_show_the_hosts(scratch: Running) -> None:
    assert attach(scratch, "cut", "-d:", "-f1", "/etc/passwd").split() == ["root", "nobody"]


@pytest.mark.parametrize("tool", [("strace", "-e", "none", "-p", "1"), ("gdb", "-p", "1")])
def test_debuggers_of_the_host_work_on_process_1(debian: Running, tool: tuple[str, ...]) -> None:
    if tool[0] == "strace":
        result = cntr("attach", debian.name, "--", "timeout", "-s", "INT", "2", *tool)
        assert b"Process 1 attached" in result.stderr
    else:
        result = cntr("attach", debian.name, "--", *tool, "-batch", "-ex", "info proc", "-ex", "detach")
        assert b"process 1\n" in result.stdout, result.stderr


def test_process_numbers_agree_with_the_containers_own(debian: Running) -> None:
    # The shell's own number, what ps says of it, and what the container's /proc says of it.
    printed = attach(debian, "sh", "-c", "echo $$; ps -o pid= -o comm= $$; cat /proc/$$/comm; kill -0 1 && echo alive")
    number, *rest = printed.split()
    assert rest == [number, "sh", "sh", "alive"]
    assert int(number) < 5000


def test_files_of_the_container_are_below_var_lib_cntr_both_ways(container: Running) -> None:
    place = {"read-only": "dev/shm", "scratch": "dev/shm", "user-1000": "tmp"}.get(container.kind, "root")
    attach(container, "sh", "-c", f"echo from-session > {place}/both-ways")
    root = f"/proc/{container.pid}/root/{place}/both-ways"
    with open(root) as file:
        assert file.read() == "from-session\n"
    with open(root, "w") as file:
        file.write("from-container\n")
    assert attach(container, "cat", f"/var/lib/cntr/{place}/both-ways") == "from-container\n"
    attach(container, "rm", f"{place}/both-ways")
    assert not os.path.exists(root)


def test_volumes_and_tmpfs_of_the_container_are_there(containers: Containers) -> None:
    container = containers.get("volumes")
    docker_exec(container.name, "sh", "-c", "echo volume > /data/v; echo tmpfs > /scratch/t")
    assert attach(container, "cat", "data/v", "scratch/t") == "volume\ntmpfs\n"


def test_the_tools_are_read_only_unless_wanted(debian: Running, fs: str) -> None:
    result = cntr("attach", debian.name, "--fs", fs, "--", "sh", "-c", "touch /usr/cntr-was-here")
    assert result.returncode != 0
    assert b"Read-only file system" in result.stderr
    assert not os.path.exists("/usr/cntr-was-here")


def test_the_sessions_own_tmp_is_private(debian: Running) -> None:
    before = state_of(debian.pid).host_tmp
    assert attach(debian, "sh", "-c", "ls -A /tmp /var/tmp; echo x > /tmp/private-file; ls /tmp").split() == [
        "/tmp:",
        "/var/tmp:",
        "private-file",
    ]
    assert "private-file" not in os.listdir("/tmp")
    assert "private-file" not in os.listdir(f"/proc/{debian.pid}/root/tmp")
    assert state_of(debian.pid).host_tmp == before


def test_namespaces_are_the_targets_but_for_mnt(container: Running) -> None:
    kinds = ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"]
    seen = attach(container, "sh", "-c", "for n in " + " ".join(kinds) + "; do readlink /proc/self/ns/$n; done")
    expected = [os.readlink(f"/proc/{container.pid}/ns/{kind}") for kind in kinds]
    different = [kind for kind, one, other in zip(kinds, seen.split(), expected, strict=True) if one != other]
    assert different == ["mnt"]


@pytest.mark.parametrize("command", ["attach", "exec"])
def test_ids_and_capabilities_equal_the_targets(container: Running, command: str) -> None:
    program = "/bin/busybox" if container.kind == "scratch" and command == "exec" else "cat"
    arguments = ["cat"] if program != "cat" else []
    printed = output(command, container.name, "--", program, *arguments, "/proc/self/status")
    session = dict(line.split(":\t", 1) for line in printed.splitlines() if ":\t" in line)
    target = status_of(container.pid)
    for key in ("Uid", "Gid", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Umask"):
        assert session[key] == target[key], key
    assert sorted(session["Groups"].split()) == sorted(target["Groups"].split())


def test_cgroups_equal_the_targets(container: Running) -> None:
    with open(f"/proc/{container.pid}/cgroup") as file:
        target = file.read()
    # Read from outside: inside a cgroup namespace the paths are relative.
    script = "cat /proc/self/cgroup"
    assert attach(container, "sh", "-c", script) == target


def test_no_cgroup_leaves_the_session_where_the_caller_is(debian: Running) -> None:
    with open("/proc/self/cgroup") as file:
        assert attach(debian, "cat", "/proc/self/cgroup", options=("--no-cgroup",)) == file.read()


def test_limits_are_taken_over_as_far_as_allowed(debian: Running) -> None:
    with open(f"/proc/{debian.pid}/limits") as file:
        target = file.read()
    subprocess.run(["prlimit", f"--pid={debian.pid}", "--nofile=123:456"], check=True)
    assert attach(debian, "sh", "-c", "ulimit -Sn; ulimit -Hn").split() == ["123", "456"]
    assert attach(debian, "sh", "-c", "ulimit -Sn", options=("--inherit", "none")).split() != ["123"]
    assert "456" not in target


@pytest.mark.parametrize(
    "limit", ["nproc=1", "nofile=8", "as=30000000", "data=2000000", "fsize=0", "sigpending=0", "cpu=1"]
)
def test_low_limits_of_the_target_keep_no_session_from_starting(docker_run: DockerRun, limit: str) -> None:
    name = docker_run("debian", "--user", "48214", command=("prlimit", f"--{limit}", "sleep", "1000"))
    wait_until(lambda: os.readlink(f"/proc/{docker_pid(name)}/exe").endswith("sleep"), "the application runs")
    for command in ("attach", "exec"):
        assert output(command, name, "--", "sh", "-c", "true | cat; echo $(echo works)") == "works\n"


@pytest.mark.parametrize(("limit", "flag", "told"), [("nofile=4", "-n", "4\n"), ("as=12000000", "-v", "11718\n")])
def test_a_limit_that_our_own_processes_could_not_bear_is_the_commands(
    docker_run: DockerRun, limit: str, flag: str, told: str
) -> None:
    name = docker_run("debian", command=("prlimit", f"--{limit}", "sleep", "1000"))
    wait_until(lambda: os.readlink(f"/proc/{docker_pid(name)}/exe").endswith("sleep"), "the application runs")
    for command in ("attach", "exec"):
        assert output(command, name, "--", "sh", "-c", f"ulimit -S {flag}; ulimit -H {flag}") == 2 * told


def test_a_limit_of_processes_that_docker_sets(docker_run: DockerRun) -> None:
    # A user who has nothing else on this machine, or else docker itself could not start the application.
    name = docker_run("debian", "--user", "48213", "--ulimit", "nproc=1", command=("sleep", "1000"))
    for command in ("attach", "exec"):
        assert output(command, name, "--", "sh", "-c", "true | cat; echo works") == "works\n"


def test_a_working_directory_that_the_user_may_not_enter(docker_run: DockerRun) -> None:
    """As with docker: it is entered before the user is changed."""
    name = docker_run("debian", "--workdir", "/root", "--cap-drop", "ALL", command=("sleep", "1000"))
    docker_exec(name, "sh", "-c", "mkdir -p /srv/closed; chmod 700 /srv/closed")
    for user in ("1000", "root"):
        assert output("exec", name, "--user", user, "--", "/bin/pwd", "-P") == "/root\n"
        assert output("exec", name, "--user", user, "--cwd", "/srv/closed", "--", "/bin/pwd", "-P") == "/srv/closed\n"
        cwd = ("--cwd", "target")
        assert output("attach", name, "--user", user, *cwd, "--", "/bin/pwd", "-P") == "/var/lib/cntr/root\n"


@pytest.mark.parametrize("number", range(12))
def test_a_working_directory_among_our_descriptors_is_none(debian: Running, number: int) -> None:
    """WORKDIR /proc/self/fd/N, which led to the host by the runtime's descriptors (CVE-2024-21626)."""
    process = ("self", "thread-self", "1/root/proc/self")[number % 3]
    for command in ("attach", "exec"):
        result = cntr(command, debian.name, "--cwd", f"/proc/{process}/fd/{number}", "--", "/bin/pwd")
        if result.returncode == 0:  # what the command itself has open: its own directory of the container's /proc
            assert re.fullmatch(rb"/proc/\d+\n", result.stdout)
        else:
            assert b"cannot be entered" in result.stderr


def test_variables_are_the_containers_on_wish_and_secrets_stay_outside(debian: Running) -> None:
    secret = {"AWS_SECRET_ACCESS_KEY": "hunter2", "DBUS_SESSION_BUS_ADDRESS": "unix:path=/x", "TERM": "vt100"}
    printed = cntr("attach", debian.name, "--container-env", "--", "env", "-0", env=secret).stdout
    variables = dict(entry.split(b"=", 1) for entry in printed.split(b"\0") if entry)
    assert variables[b"APP"] == b"two\nlines"
    assert variables[b"TERM"] == b"vt100"
    assert variables[b"PATH"] == os.environb[b"PATH"]
    assert not {b"AWS_SECRET_ACCESS_KEY", b"DBUS_SESSION_BUS_ADDRESS"} & variables.keys()


def _variables(*command: str) -> dict[str, str]:
    return dict(entry.split("=", 1) for entry in output(*command, "env", "-0").split("\0") if entry)


def test_exec_has_the_variables_that_docker_exec_has(docker_run: DockerRun) -> None:
    options = ("--env", "APP=two\nlines", "--env", "PROMPT_COMMAND=x", "--env", "LD_BIND_NOW=1", "--env", "USER=me")
    name = docker_run("debian", *options, command=("sleep", "1000"))
    docker_exec(name, "useradd", "--home-dir", "/srv/app", "app")
    for user, extra in (("root", {"USER": "me"}), ("app", {"USER": "app"}), ("4711", {})):
        line = ["docker", "exec", "--user", user, name, "env", "-0"]
        shown = subprocess.run(line, check=True, capture_output=True, text=True, timeout=60).stdout
        expected = dict(entry.split("=", 1) for entry in shown.split("\0") if entry)
        del expected["USER"]  # docker keeps that of the container's own user
        found = _variables("exec", name, "--user", user, "--")
        found.pop("TERM", None)
        assert found == expected | extra


def test_home_and_names_are_those_of_the_sessions_user(docker_run: DockerRun) -> None:
    name = docker_run("debian", "--env", "HOME=/root/app", "--env", "USER=me", command=("sleep", "1000"))
    docker_exec(name, "useradd", "--home-dir", "/srv/app", "app")
    for user, expected in (("root", ("/root", "root")), ("app", ("/srv/app", "app")), ("4711", ("/", None))):
        found = _variables("attach", name, "--user", user, "--")
        assert (found["HOME"], found.get("USER"), found.get("LOGNAME")) == (expected[0], expected[1], expected[1])


def test_env_user_cwd_and_capabilities_can_be_chosen(debian: Running) -> None:
    script = "echo $GREETING; id -u; id -g; pwd; grep CapEff /proc/self/status"
    options = ("--env", "GREETING=hello", "--user", "1234:56", "--cwd", "/usr", "--cap-add", "SYS_PTRACE")
    greeting, uid, gid, cwd, _, effective = attach(debian, "sh", "-c", script, options=options).split()
    assert (greeting, uid, gid, cwd) == ("hello", "1234", "56", "/usr")
    assert int(effective, 16) == 1 << 19


def test_numbers_that_are_no_ids_make_nobody_root(containers: Containers) -> None:
    container = containers.get("user-1000")
    for user in ("4294967295", "4294967296", "99999999999999999999", "1000:4294967295"):
        for command in ("attach", "exec"):
            result = cntr(command, container.name, "--user", user, "--", "id", "-u")
            assert (result.returncode, result.stdout) == (125, b"")
            assert b"the container has no " in result.stderr


def test_a_passwd_file_of_the_container_makes_nobody_root(docker_run: DockerRun) -> None:
    name = docker_run("debian", command=("sleep", "1000"))
    script = "echo big:x:4294967296:4294967296::/: >>/etc/passwd; echo odd:x:1000:abc::/: >>/etc/passwd"
    docker_exec(name, "sh", "-c", script)
    for user in ("big", "odd"):
        result = cntr("exec", name, "--user", user, "--", "id", "-u")
        assert (result.returncode, result.stdout) == (125, b"")
        assert f"no user '{user}'".encode() in result.stderr


def test_groups_of_the_caller_do_not_stay_in_a_user_namespace() -> None:
    line = ["setpriv", "--groups", "4,24", "unshare", "--user", "--map-root-user", "--mount", "sleep", "1000"]
    with subprocess.Popen(line) as process:
        try:
            wait_until(lambda: os.readlink(f"/proc/{process.pid}/exe").endswith("sleep"), "it runs")
            attached = ["setpriv", "--groups", "4,24,999", PROGRAM, "attach", f"pid://{process.pid}", "--", "id", "-G"]
            result = subprocess.run(attached, capture_output=True, env=environment(), timeout=60)
            assert result.returncode == 0, result.stderr
            assert result.stdout.split() == [b"0"]
        finally:
            process.kill()


def test_an_id_that_the_user_namespace_lacks_is_named() -> None:
    with subprocess.Popen(["unshare", "--user", "--map-root-user", "sleep", "1000"]) as process:
        try:
            wait_until(lambda: os.readlink(f"/proc/{process.pid}/exe").endswith("sleep"), "it runs")
            result = cntr("attach", f"pid://{process.pid}", "--user", "5:0", "--", "true")
            assert result.returncode == 125
            assert b"uid 5 or gid 0 does not exist in the container's user namespace" in result.stderr
        finally:
            process.kill()


def test_a_cgroup_that_cannot_be_reached_is_said(debian: Running) -> None:
    script = f"umount --lazy --recursive /sys/fs/cgroup; exec '{PROGRAM}' attach {debian.name} -- true"
    result = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script], capture_output=True, env=environment(), timeout=60
    )
    assert result.returncode == 125
    assert b"cgroup cannot be joined" in result.stderr
    assert b"--no-cgroup" in result.stderr


def test_the_targets_own_working_directory_can_be_chosen(docker_run: object) -> None:
    name = docker_run("debian", "--workdir", "/usr/share", command=("sleep", "1000"))  # type: ignore[operator]
    assert output("attach", name, "--cwd", "target", "--", "pwd") == "/var/lib/cntr/usr/share\n"
    assert output("exec", name, "--", "pwd") == "/usr/share\n"


def test_secrets_of_the_host_are_hidden(debian: Running, fs: str) -> None:
    assert os.path.exists("/etc/shadow")
    result = cntr("attach", debian.name, "--fs", fs, "--", "cat", "/etc/shadow")
    assert result.returncode == 1
    assert b"No such file" in result.stderr


def test_no_descriptor_but_the_standard_ones(container: Running, fs: str) -> None:
    # ls holds one more while it reads the directory: 3.
    listed = attach(container, "ls", "/proc/self/fd", options=("--fs", fs)).split()
    assert listed == ["0", "1", "2", "3"]


def test_inherited_descriptors_of_the_caller_do_not_leak(debian: Running) -> None:
    from tests.support.cntr import PROGRAM, environment

    with open("/etc/hostname") as leaked:
        os.set_inheritable(leaked.fileno(), True)
        result = subprocess.run(
            [PROGRAM, "attach", debian.name, "--", "ls", "/proc/self/fd"],
            capture_output=True,
            env=environment(),
            close_fds=False,
            check=True,
            timeout=60,
        )
    assert result.stdout.split() == [b"0", b"1", b"2", b"3"]


def test_exec_runs_the_containers_own_program_without_tools(scratch: Running) -> None:
    assert output("exec", scratch.name, "--", "/bin/busybox", "ls", "/").split() == ["bin", "dev", "etc", "proc", "sys"]


def test_two_sessions_at_once_and_one_inside_the_other(debian: Running) -> None:
    from tests.support.cntr import running, wait_until

    with running("attach", debian.name, "--", "sh", "-c", "echo here > /tmp/first; echo ready; cat") as first:
        assert first.stdout is not None
        assert first.stdout.readline() == b"ready\n"
        assert attach(debian, "ls", "-A", "/tmp") == ""
        shell = next(pid for pid in _session_processes(debian) if _comm(pid) == "sh")
        # A session in the session: its target's root is the first one's root, with the container below.
        printed = output(
            "attach",
            f"pid://{shell}",
            "--",
            "cat",
            "/var/lib/cntr/tmp/first",
            "/var/lib/cntr/var/lib/cntr/etc/hostname",
        )
        assert printed == "here\n" + docker_exec(debian.name, "cat", "/etc/hostname")
        wait_until(lambda: first.poll() is None, "the first one still runs")


def _session_processes(container: Running) -> list[int]:
    from tests.support.cntr import living_in

    return [pid for pid, _ in living_in(container.pid)]


def _comm(pid: int) -> str:
    with open(f"/proc/{pid}/comm") as file:
        return file.read().strip()
