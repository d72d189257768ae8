"""Docker's words mean what they mean to docker: in attach, exec and run."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.session.conftest import Containers, Running, Small
from tests.support.cntr import PROGRAM, cntr, environment, output
from tests.support.images import archive
from tests.support.terminal import Terminal

pytestmark = pytest.mark.requires("root", "docker", "fuse", "runc")

SHOW = 'for word; do echo "[$word]"; done'
LIST = "import sys; print(sys.argv[1:])"


@pytest.fixture
def user_1000(containers: Containers) -> Running:
    return containers.get("user-1000")


def docker(*words: str, env: dict[str, str] | None = None, stdin: bytes = b"") -> str:
    """What ``docker`` prints."""
    line = ["docker", *words]
    done = subprocess.run(line, input=stdin, capture_output=True, env=environment(env), timeout=60, check=True)
    return done.stdout.decode()


@pytest.mark.parametrize("command", ["attach", "exec"])
@pytest.mark.parametrize(
    "words",
    [
        ("id", "-u", "0"),
        ("--", "id", "-u", "0"),
        ("sh", "-c", SHOW, "sh", "--user", "root", "--", "-it", "-e", "--help", "-"),
        ("--dry-run", "id"),
    ],
)
def test_words_after_the_container_are_the_commands(user_1000: Running, command: str, words: tuple[str, ...]) -> None:
    printed = output(command, user_1000.name, *words)
    if words[0] == "--dry-run":
        assert "execute id in" in printed
    elif "id" in words:
        assert printed == "0\n"  # of uid 0, asked by uid 1000
    else:
        assert printed.split() == ["[--user]", "[root]", "[--]", "[-it]", "[-e]", "[--help]", "[-]"]


def test_id_is_not_run_as_root(user_1000: Running) -> None:
    assert output("exec", user_1000.name, "id", "-u") == "1000\n"
    assert output("exec", user_1000.name, "-u", "0", "id", "-u") == "0\n"
    assert output("exec", "-u", "0", user_1000.name, "id", "-u") == "0\n"
    assert "UID" in output("attach", user_1000.name, "ps", "-ef")


USERS = ("root", "0", "1", "4242", "daemon", "daemon:", "daemon:staff", "daemon:4243", "4242:4243", ":1", "")


@pytest.mark.parametrize("user", USERS)
def test_a_user_is_who_docker_says(debian: Running, user: str) -> None:
    expected = docker("exec", "-u", user, debian.name, "id")
    assert output("exec", "-u", user, debian.name, "id") == expected
    assert output("attach", "-u", user, debian.name, "id").split()[0] == expected.split()[0]


def test_no_user_is_the_containers(user_1000: Running) -> None:
    assert output("exec", "-u", "", user_1000.name, "id", "-u") == docker("exec", "-u", "", user_1000.name, "id", "-u")


def test_run_has_dockers_users_too(small: Small) -> None:
    for user in USERS:
        printed = output("run", "--rm", "-u", user, small.archive, "id")
        assert printed == docker("run", "--rm", "--user", user, small.docker, "id"), user


@pytest.fixture
def variables(tmp_path: Path) -> Iterator[str]:
    file = tmp_path / "variables"
    file.write_bytes(
        b'\xef\xbb\xbf# a comment\n\n  \tQUOTED="as it is" \nMINE\nNOBODYS\nEMPTY=\r\nTWICE=file\nA=b=c # d\n'
    )
    yield str(file)


ASKED = "; ".join(
    f'echo "{name}=[${{{name}-unset}}]"' for name in ("APP", "MINE", "QUOTED", "NOBODYS", "EMPTY", "TWICE", "A")
)


def test_variables_are_those_that_docker_would_set(debian: Running, variables: str) -> None:
    words = ("--env-file", variables, "-e", "TWICE=word", "-e", "APP", debian.name, "sh", "-c", ASKED)
    expected = docker("exec", *words, env={"MINE": "the caller's"})
    assert "APP=[unset]" in expected and 'QUOTED=["as it is" ]' in expected
    assert output("exec", *words, env={"MINE": "the caller's"}) == expected
    assert output("attach", *words, env={"MINE": "the caller's"}) == expected


def test_run_has_dockers_variables_too(small: Small, variables: str) -> None:
    words = ("--env-file", variables, "-e", "TWICE=word", "-e", "PATH", "-e", "HOME=/tmp")
    command = ("sh", "-c", f"{ASKED}; echo $HOME; echo $PATH")
    env = {"MINE": "the caller's", "PATH": os.environ["PATH"]}
    expected = docker("run", "--rm", *words, small.docker, *command, env=env)
    assert output("run", "--rm", *words, small.archive, *command, env=env) == expected


@pytest.mark.parametrize("content", [b"=x\n", b"A B=x\n", b"A=\xff\n", b"A\x00=1\n"])
def test_a_file_that_docker_refuses_is_refused(debian: Running, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "variables"
    file.write_bytes(content)
    for words in (("attach", debian.name), ("exec", debian.name), ("run", archive("debian"))):
        done = cntr(words[0], "--env-file", str(file), words[1], "true")
        assert done.returncode == 125 and b"cntr: --env-file: " in done.stderr, (words, done.stderr)
        assert str(file) in done.stderr.decode()


@pytest.mark.parametrize("words", [("-e", "=x"), ("-e", ""), ("--env-file", "/absent"), ("-w", "etc")])
def test_what_docker_refuses_is_refused_before_anything_starts(debian: Running, words: tuple[str, ...]) -> None:
    for command, name in (("attach", debian.name), ("exec", debian.name), ("run", archive("debian"))):
        done = cntr(command, *words, name, "true")
        assert done.returncode == 125 and done.stdout == b"", (command, words)
        assert len(done.stderr.splitlines()) == 2, done.stderr


def test_a_working_directory_is_the_containers(debian: Running, small: Small) -> None:
    subprocess.run(["docker", "exec", debian.name, "mkdir", "-p", "/srv/here"], check=True)
    assert output("exec", "-w", "/srv/here", debian.name, "pwd") == "/srv/here\n"
    assert output("attach", "-w", "/srv/here", debian.name, "pwd") == "/var/lib/cntr/srv/here\n"
    assert output("run", "--rm", "-w", "/srv/new", small.archive, "pwd") == "/srv/new\n"


# Streams


def test_a_loop_over_names_reaches_its_end(debian: Running) -> None:
    once = f'{PROGRAM} attach -T {debian.name} echo "$line"; {PROGRAM} exec --no-stdin {debian.name} cat'
    loop = ["sh", "-c", f"while read line; do {once}; done"]
    done = subprocess.run(loop, input=b"one\ntwo\nthree\n", capture_output=True, env=environment(), timeout=90)
    assert done.stdout == b"one\ntwo\nthree\n", done.stderr


@pytest.mark.parametrize("command", ["attach", "exec"])
def test_a_terminal_may_be_wished_and_not(debian: Running, command: str) -> None:
    assert output(command, "-t", debian.name, "sh", "-c", "test -t 0 && tty").startswith("/dev/pts/")
    assert output(command, "-i", debian.name, "cat", stdin=b"word") == "word"
    refused = cntr(command, "-it", debian.name, "tty")
    assert (refused.returncode, refused.stderr.splitlines()[0]) == (125, b"cntr: --tty: stdin is not a terminal")
    for options in (("-t",), ("-it",), ()):
        assert _on_a_terminal(command, *options, debian.name, "tty").startswith(b"/dev/pts/")
    for options in (("-i",), ("-T",)):
        assert _on_a_terminal(command, *options, debian.name, "sh", "-c", "test -t 1 || echo none") == b"none\r\n"


def test_run_has_a_terminal_where_it_is_asked_for() -> None:
    image = archive("debian")
    assert output("run", "--rm", image, "sh", "-c", "test -t 1 || echo none") == "none\n"
    assert output("run", "--rm", "-t", image, "tty").startswith("/dev/pts/")
    assert cntr("run", "--rm", "-it", image, "tty").returncode == 125
    with Terminal() as terminal:
        terminal.resize(33, 77)
        script = 'stty size; read word; echo "<$word>"; exit 7'
        before = terminal.attributes()
        process = _started(terminal, "run", "--rm", "-it", image, "sh", "-c", script)
        terminal.expect(b"33 77", 90)  # the image is unpacked first, which takes long where disks are busy
        terminal.type(b"typed\r")
        terminal.expect(b"<typed>")
        assert process.wait(30) == 7
        assert terminal.attributes() == before


def test_a_detached_shell_stays_as_with_docker(small: Small) -> None:
    try:
        assert output("run", "-dit", "--name", "cntr-test-dit", small.archive, "sh") == "cntr-test-dit\n"
        assert output("run", "-di", "--name", "cntr-test-di", small.archive, "cat") == "cntr-test-di\n"
        for name in ("cntr-test-dit", "/cntr-test-di"):
            assert output("exec", name, "sh", "-c", "echo alive") == "alive\n"
        assert output("exec", "cntr-test-dit", "readlink", "/proc/1/fd/0").startswith("/dev/pts/")
    finally:
        cntr("stop", "-t", "0", "cntr-test-dit")
        cntr("stop", "-t", "0", "/cntr-test-di")


def _started(terminal: Terminal, *words: str) -> subprocess.Popen[bytes]:
    slave = terminal.slave
    return subprocess.Popen(
        [PROGRAM, *words], stdin=slave, stdout=slave, stderr=slave, env=environment(), start_new_session=True
    )


def _on_a_terminal(*words: str) -> bytes:
    with Terminal() as terminal:
        _started(terminal, *words).wait(60)
        return terminal.settle()


# What a session cannot do, and names


@pytest.mark.parametrize("word", [("-d",), ("--detach",), ("--detach-keys", "ctrl-a"), ("-dit",)])
def test_what_is_not_supported_is_said(debian: Running, word: tuple[str, ...]) -> None:
    for command in ("attach", "exec"):
        done = cntr(command, *word, debian.name, "true")
        assert done.returncode == 125
        assert b"not supported: a session ends with cntr" in done.stderr


def test_privileged_has_all_capabilities(user_1000: Running) -> None:
    asked = (user_1000.name, "grep", "CapEff", "/proc/self/status")
    with open("/proc/self/status") as file:
        own = next(line for line in file if line.startswith("CapEff"))
    assert output("exec", "--privileged", "-u", "0", *asked) == own
    assert output("attach", "--cap-add", "all", "-u", "0", *asked) == own


def test_a_slash_before_the_name_and_short_ids(debian: Running) -> None:
    assert output("exec", f"/{debian.name}", "echo", "found") == "found\n"
    assert output("exec", f"docker:///{debian.name}", "echo", "found") == "found\n"
    identifier = docker("inspect", "--format", "{{.Id}}", debian.name).strip()
    others = docker("ps", "--all", "--no-trunc", "--format", "{{.ID}}").split()
    length = next(n for n in range(1, 65) if sum(one.startswith(identifier[:n]) for one in others) == 1)
    assert output("exec", f"docker://{identifier[:length]}", "echo", "found") == "found\n"
