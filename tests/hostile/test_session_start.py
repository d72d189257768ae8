"""What an application, or an image, can make the programs of a session do: its variables, and its dotfiles."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from cntr_core.testing.processes import read_bytes
from tests.support.cntr import cntr, docker_exec, docker_pid, output, wait_until
from tests.support.images import DockerRun
from tests.support.terminal import Terminal

pytestmark = pytest.mark.requires("root", "docker", "fuse")

SENTINEL = "/var/lib/cntr/tmp/ran"
RUN = f"touch {SENTINEL}"

RUN_CODE = {
    "PROMPT_COMMAND": RUN,
    "PS1": f"$({RUN})",
    "PS4": f"$({RUN})",
    "BASH_FUNC_ls%%": f"() {{ {RUN}; }}",
    "BASH_ENV": "/var/lib/cntr/evil.sh",
    "ENV": "/var/lib/cntr/evil.sh",
    "SHELLOPTS": "xtrace",
    "ZDOTDIR": "/var/lib/cntr",
    "INPUTRC": "/var/lib/cntr/inputrc",
    "VIMINIT": f"silent !{RUN}",
    "EXINIT": f"silent !{RUN}",
    "LESSOPEN": f"|{RUN}; cat %s",
    "PAGER": RUN,
    "EDITOR": RUN,
    "GIT_PAGER": RUN,
    "GIT_EXTERNAL_DIFF": RUN,
    "GIT_SSH_COMMAND": RUN,
    "PYTHONSTARTUP": "/var/lib/cntr/evil.py",
    "PYTHONPATH": "/var/lib/cntr",
    "PYTHONWARNINGS": "all:0:antigravity.x:0:0",
    "PERL5OPT": "-M-strict;system(q(touch /var/lib/cntr/tmp/ran))",
    "PERL5DB": f"BEGIN {{ system('{RUN}') }}",
    "RUBYOPT": "-r/var/lib/cntr/evil.rb",
    "NODE_OPTIONS": "--require /var/lib/cntr/evil.js",
    "JAVA_TOOL_OPTIONS": "-javaagent:/var/lib/cntr/evil.jar",
    "OPENSSL_CONF": "/var/lib/cntr/openssl.cnf",
    "LD_PRELOAD": "/var/lib/cntr/evil.so",
    "LD_AUDIT": "/var/lib/cntr/evil.so",
    "GCONV_PATH": "/var/lib/cntr",
    "TERMINFO": "/var/lib/cntr/terminfo",
    "TERM": "../../var/lib/cntr/terminfo/x",
    "HOME": "/var/lib/cntr/root",
    "SHELL": "/var/lib/cntr/evil.sh",
    "PATH": "/var/lib/cntr/bin:.",
    "CDPATH": "/var/lib/cntr",
    "IFS": "/",
    "TMPDIR": "/var/lib/cntr",
    "CURL_CA_BUNDLE": "/nowhere",
    "http_proxy": "http://192.0.2.1:1",
    "MAGIC": "/nowhere",
    "LC_ALL": "nonsense",
    "\x1b[2J": "\x1b]0;title\x07",
}
"""Variables that make a program run code, load a file, or fail. The list is none that could be complete."""

DOTFILES = (
    "root/.bashrc", "root/.profile", "root/.bash_profile", "root/.inputrc", "root/.vimrc", "etc/profile",
    "etc/bash.bashrc", "etc/inputrc", ".bashrc", "evil.sh", "bin/ls", "ls",
)  # fmt: skip


@pytest.fixture
def hostile(docker_run: DockerRun) -> str:
    """A container of an application without privileges, whose image means harm to whoever looks into it."""
    variables = [word for name, value in RUN_CODE.items() for word in ("--env", f"{name}={value}")]
    name = docker_run("debian", "--user", "1000", *variables, command=("/bin/sleep", "1000"))
    for path in DOTFILES:
        _write(name, path, f"#!/bin/sh\n{RUN}\n")
    return name


def _write(container: str, path: str, content: str) -> None:
    place = f"/proc/{docker_pid(container)}/root/{path}"
    os.makedirs(os.path.dirname(place), exist_ok=True)
    with open(place, "w") as file:
        file.write(content)
    os.chmod(place, 0o755)


def _ran(container: str) -> bool:
    return os.path.exists(f"/proc/{docker_pid(container)}/root/tmp/ran")


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    with Terminal() as opened:
        yield opened


def _interactive(terminal: Terminal, *arguments: str, typed: bytes) -> bytes:
    """What an engineer sees who types `typed` in a session; the caller's own home has no dotfiles."""
    process = terminal.start("attach", *arguments)
    try:
        terminal.type(typed)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
    return terminal.settle()


TYPED = b"ls; ls -l / | less -FX | head -1; perl -e 1; bash -c ls; sh -ic ls; date; set -x; true; set +x; exit 0\n"


@pytest.mark.parametrize("shell", ["bash", "bash -l", "sh -l"])
@pytest.mark.parametrize("user", ["0", "1000"])
def test_no_variable_and_no_file_of_the_container_runs_code(
    hostile: str, terminal: Terminal, shell: str, user: str
) -> None:
    options = ("--user", user, "--cap-add", "SYS_PTRACE")
    seen = _interactive(terminal, hostile, *options, "--shell", shell, typed=TYPED)
    assert not _ran(hostile), seen
    assert b"\x1b[2J" not in seen


def test_what_the_tools_get_is_on_the_list(hostile: str) -> None:
    from cntr_core.session.environment import ALLOWED

    printed = cntr("attach", hostile, "--", "env", "-0", env={"TERM": "xterm"}).stdout
    variables = dict(entry.split(b"=", 1) for entry in printed.split(b"\0") if entry)
    assert variables.keys() <= {*ALLOWED, *(name for name in variables if name.startswith(b"LC_"))}
    assert b"/var/lib/cntr" not in b"".join(variables.values())
    assert variables[b"TERM"] == b"xterm"


def test_dry_run_names_what_is_left_out(hostile: str) -> None:
    printed = output("attach", hostile, "--dry-run", "--", "true")
    [line] = [line for line in printed.splitlines() if "leave out" in line]
    for name in ("PROMPT_COMMAND", "'BASH_FUNC_ls%%'", "LESSOPEN", "http_proxy", "'\\x1b[2J'"):
        assert name in line
    assert "\x1b" not in printed


def test_all_of_them_on_wish(hostile: str) -> None:
    options = ("--container-env", "--", "/usr/bin/env", "-0")
    variables = output("attach", hostile, *options).split("\0")
    assert f"PROMPT_COMMAND={RUN}" in variables
    assert f"LESSOPEN={RUN_CODE['LESSOPEN']}" in variables
    assert "HOME=/" in variables  # the session's user has no row in passwd
    assert not [entry for entry in variables if entry.startswith(("LD_", "PATH=/var/lib/cntr"))]


@pytest.mark.parametrize("name", [f"$({RUN})", f"`{RUN}`", "\x1b[2J"])
def test_a_users_name_is_no_code_of_a_prompt(docker_run: DockerRun, terminal: Terminal, name: str) -> None:
    container = docker_run("debian", command=("sleep", "1000"))
    passwd = docker_exec(container, "cat", "/etc/passwd").replace("root:", f"{name}:", 1)
    _write(container, "etc/passwd", passwd)
    seen = _interactive(terminal, container, typed=b"PS1='\\u@\\h '\ntrue\nid\nexit 0\n")
    assert not _ran(container), seen
    assert b"\x1b[2J" not in seen


def test_a_home_in_the_containers_files_is_none(docker_run: DockerRun, terminal: Terminal) -> None:
    container = docker_run("debian", command=("sleep", "1000"))
    row = "root:x:0:0:root:/var/lib/cntr/evil:/var/lib/cntr/evil/.bashrc"
    _write(container, "etc/passwd", f"{row}\nlinked:x:5:5::/run/../proc/1/root/evil:/bin/sh\n")
    _write(container, "evil/.bashrc", f"{RUN}\n")
    assert output("attach", container, "--", "getent", "passwd", "root") == "root:x:0:0:root:/:/bin/sh\n"
    for user in ("root", "linked"):
        assert output("attach", container, "--user", user, "--", "sh", "-c", "echo $HOME ~linked") == "/ /\n"
    _interactive(terminal, container, "--shell", "bash", typed=b"echo ~; exit 0\n")
    assert not _ran(container)


def test_a_path_of_the_callers_that_begins_where_it_is_leads_to_no_program_of_the_container(hostile: str) -> None:
    result = cntr("attach", hostile, "--", "ls", env={"PATH": f".:{os.environ['PATH']}:"})
    assert result.returncode == 0, result.stderr
    assert not _ran(hostile)


def test_python_imports_nothing_from_where_the_session_starts(docker_run: DockerRun) -> None:
    container = docker_run("debian", command=("sleep", "1000"))
    for module in ("readline", "json"):
        _write(container, f"{module}.py", f"import os\nos.system('{RUN}')\n")
    program = ("/usr/bin/python3", "-c", "import json, readline; print('imported')")
    assert output("attach", container, "--", *program) == "imported\n"
    assert not _ran(container)


def test_the_copies_of_the_users_cannot_be_written(docker_run: DockerRun) -> None:
    container = docker_run("debian", command=("sleep", "1000"))
    result = cntr("attach", container, "--", "sh", "-c", "echo x:x:1:1::/:/bin/sh >> /etc/passwd")
    assert result.returncode != 0
    assert b"Read-only file system" in result.stderr
    assert "x:x:1" not in docker_exec(container, "cat", "/etc/passwd")


REWRITE = """
open my $stat, "<", "/proc/self/stat"; my ($rest) = <$stat> =~ /.*[)](.*)/; my @fields = split " ", $rest;
open my $memory, "+<", "/proc/self/mem"; sysseek $memory, $fields[47], 0;
syswrite $memory, "PROMPT_COMMAND=touch /tmp/ran\\0BASH_ENV=/evil.sh\\0"; close $memory;
sleep 1000;
"""
"""An application without privileges that rewrites its variables; field 50 of stat is env_start (proc(5))."""


def test_programs_of_the_container_get_its_configuration_and_not_what_the_application_wrote(
    docker_run: DockerRun,
) -> None:
    variables = ("--env", "APP=" + "x" * 100, "--env", "EMPTY=")
    name = docker_run("debian", "--user", "1000", *variables, command=("perl", "-e", REWRITE))
    place = f"/proc/{docker_pid(name)}/environ"
    wait_until(lambda: b"BASH_ENV" in read_bytes(place), "the application rewrites its variables")
    for words in (("exec", name, "--user", "root"), ("attach", name, "--container-env")):
        printed = output(*words, "--", "env", "-0").split("\0")
        assert "APP=" + "x" * 100 in printed
        assert "EMPTY=" in printed
        assert not [entry for entry in printed if entry.startswith(("PROMPT_COMMAND", "BASH_ENV"))]
    assert output("exec", name, "--user", "root", "--", "/bin/bash", "-c", "echo quiet") == "quiet\n"
