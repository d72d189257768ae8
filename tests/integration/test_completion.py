"""What real shells complete, on terminals, with the scripts that the program gives them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cntr import PROGRAM, cntr, environment, output
from tests.support.images import DockerRun, archive
from tests.support.terminal import Terminal

pytestmark = pytest.mark.requires("root", "docker", "runc")

COMPLETION = Path(__file__).parents[2] / "packaging/completion"
SHELLS = {
    "bash": ("bash", "--norc", "--noprofile", "-i"),
    "bash with bash-completion": ("bash", "--norc", "--noprofile", "-i"),
    "zsh": ("zsh", "-f", "-i"),
    "fish": ("fish", "--no-config", "-i"),
}
SET_UP = {
    "bash": "{script}",
    "bash with bash-completion": ". /usr/share/bash-completion/bash_completion; {script}",
    "zsh": "autoload -Uz compinit; compinit -D; {script}; compdef _cntr_completion cntr",
    "fish": "_CNTR_COMPLETE=source_fish cntr | source",
}


class Shell:
    """A shell on a terminal, in which cntr's completion is switched on."""

    def __init__(self, kind: str, terminal: Terminal, home: Path, set_up: str = "") -> None:
        self.terminal = terminal
        path = f"{os.path.dirname(PROGRAM)}:{os.environ['PATH']}"
        env = environment({"PATH": path, "HOME": str(home), "TERM": "dumb", "PS1": "$ ", "INPUTRC": "/dev/null"})
        terminal.resize(40, 200)
        slave = terminal.slave
        self.process = subprocess.Popen(
            SHELLS[kind], stdin=slave, stdout=slave, stderr=slave, env=env, start_new_session=True,
            preexec_fn=lambda: __import__("fcntl").ioctl(0, __import__("termios").TIOCSCTTY, 0),
        )  # fmt: skip
        shell = kind.split()[0]
        script = f'eval "$(_CNTR_COMPLETE=source_{shell} cntr)"'
        self.run(set_up or SET_UP[kind].format(script=script))

    def run(self, line: str) -> None:
        """Type a line, and wait until it is done."""
        mark = uuid.uuid4().hex
        self.terminal.type(f"{line}; echo {mark[:16]}''{mark[16:]}\r".encode())
        self.terminal.expect(mark.encode(), 60)

    def completed(self, line: str) -> str:
        """What stands there after `line` and Tab."""
        before = len(self.terminal.printed)
        self.terminal.type(line.encode() + b"\t")
        return self._typed(before)

    def _typed(self, before: int) -> str:
        """The words of the line, as a program gets them that stands there in place of cntr."""
        mark = uuid.uuid4().hex
        self.terminal.type(b"\x01echo " + mark[:16].encode() + b"''" + mark[16:].encode() + b" \x05\r")
        self.terminal.expect(mark.encode(), 60)
        self.terminal.expect(b"\n", 60)
        printed = self.terminal.printed[before:].split(mark.encode())[1]
        return re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", bytes(printed)).split(b"\r")[0].decode().strip()


@pytest.fixture(params=[pytest.param(kind, marks=pytest.mark.requires(kind.split()[-1])) for kind in SHELLS])
def shell(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shell]:
    with Terminal() as terminal:
        started = Shell(request.param, terminal, tmp_path)
        try:
            yield started
        finally:
            started.process.kill()
            started.process.wait()


def test_a_reference_is_completed_although_words_break_at_colons(shell: Shell, docker_run: DockerRun) -> None:
    name = docker_run("busybox")
    assert shell.completed(f"cntr exec docker://{name[:-3]}") == f"cntr exec docker://{name}"
    assert shell.completed(f"cntr exec {name[:-3]}") == f"cntr exec {name}"


def test_whatever_has_a_list_is_completed(shell: Shell, docker_run: DockerRun) -> None:
    docker_run("busybox")  # so that docker has a container of an image
    for typed, whole in (
        ("cntr list --engine dock", "cntr list --engine docker"),
        ("cntr slim x --engine podm", "cntr slim x --engine podman"),
        ("cntr slim x --rule python-imp", "cntr slim x --rule python-imports"),
        ("cntr slim x --no-rule package-dat", "cntr slim x --no-rule package-databases"),
        ("cntr slim x --keep bal", "cntr slim x --keep balanced"),
        ("cntr slim x --package-lists al", "cntr slim x --package-lists all"),
        ("cntr slim x --probe craw", "cntr slim x --probe crawl"),
        ("cntr slim x --fs dir", "cntr slim x --fs direct"),
        ("cntr slim x --compression zs", "cntr slim x --compression zstd"),
        ("cntr slim x --fail-on package", "cntr slim x --fail-on package-manager"),
        ("cntr attach x --tools toolb", "cntr attach x --tools toolbox"),
        ("cntr schema cntr-ba", "cntr schema cntr-batch/1"),
        ("cntr attach x --tmp priv", "cntr attach x --tmp private"),
        ("cntr attach x --links cont", "cntr attach x --links container"),
        ("cntr attach x --cap-add SYS_PTR", "cntr attach x --cap-add SYS_PTRACE"),
        ("cntr attach x --cap-add sys_ptr", "cntr attach x --cap-add sys_ptrace"),
        ("cntr attach x --cap-add CAP_SYS_PTR", "cntr attach x --cap-add CAP_SYS_PTRACE"),
    ):
        assert shell.completed(typed) == whole
    assert shell.completed("cntr slim docker://").startswith("cntr slim docker://")


PLACES = {
    "bash": ("bash with bash-completion", "bash-completion/completions/cntr", "XDG_DATA_HOME={0}; . {1}"),
    "zsh": ("zsh", "zsh/_cntr", "fpath=({0}/zsh $fpath); autoload -Uz compinit; compinit -D"),
    "fish": ("fish", "fish/cntr.fish", "set fish_complete_path {0}/fish"),
}
"""Where each shell looks by itself for what completes a command."""


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.requires(name)) for name in PLACES])
@pytest.mark.requires("bash-completion")
def test_shells_find_the_files_of_the_package(name: str, tmp_path: Path) -> None:
    kind, place, set_up = PLACES[name]
    (tmp_path / place).parent.mkdir(parents=True)
    shutil.copyfile(COMPLETION / name, tmp_path / place)
    with Terminal() as terminal:
        line = set_up.format(tmp_path, "/usr/share/bash-completion/bash_completion")
        shell = Shell(kind, terminal, tmp_path, line)
        try:
            assert shell.completed("cntr slim x --keep bal") == "cntr slim x --keep balanced"
            assert shell.completed("cntr doct") == "cntr doctor"
        finally:
            shell.process.kill()
            shell.process.wait()


def test_an_image_of_a_container_is_completed(docker_run: DockerRun) -> None:
    name = docker_run("busybox")
    listed = json.loads(output("list", "--engine", "docker", "--json"))
    [used] = {one["image"] for one in listed if one["name"] == name}
    for typed in ("slim", "run", "join", "verify", "why", "diff x", "join x", "run --fat-image", "attach --fat-image"):
        words = f"cntr {typed} docker://"
        line = {"_CNTR_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
        assert f"docker://{used}" in output(env=line).split(), typed


def _offered(words: str) -> list[str]:
    line = {"_CNTR_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split(" ")) - 1)}
    return output(env=line).split()


def test_the_services_of_a_compose_file_are_completed(tmp_path: Path) -> None:
    (tmp_path / "shop.yml").write_text("services:\n  web: {image: a}\n  worker: {build: .}\n  db: {image: b}\n")
    assert _offered(f"cntr slim --compose {tmp_path}/shop.yml w") == ["web", "worker"]
    assert _offered(f"cntr slim --compose={tmp_path}/shop.yml --probe exit ") == ["db", "web", "worker"]


@pytest.mark.parametrize("text", ["", "text", "[1]", "services:", "services: 1", "a: [", "a: \0", "[" * 10_000])
def test_a_compose_file_that_is_none_offers_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "shop.yml").write_text(text)
    assert _offered(f"cntr slim --compose {tmp_path}/shop.yml ") == []
    assert _offered("cntr slim --compose /none.yml ") == []


def test_a_name_that_two_engines_hold_is_completed_to_both_references(docker_run: DockerRun, tmp_path: Path) -> None:
    name = docker_run("busybox")
    env = {"CNTR_STATE_DIR": str(tmp_path / "state")}
    output("run", "--detach", "--name", name, archive("debian"), "sleep", "1000000", env=env)
    try:
        with Terminal() as terminal:
            shell = Shell("bash", terminal, tmp_path)
            shell.run(f"export CNTR_STATE_DIR={env['CNTR_STATE_DIR']}")
            before = len(terminal.printed)
            terminal.type(f"cntr exec {name[:-2]}\t\t".encode())
            terminal.expect(f"oci://{name}".encode())
            terminal.expect(f"docker://{name}".encode())
            assert f" {name} ".encode() not in terminal.printed[before:]
            assert shell.completed(f"\x15cntr exec oci://{name[:-2]}") == f"cntr exec oci://{name}"
            assert shell.completed(f"\x15cntr stop oci://{name[:-2]}") == f"cntr stop oci://{name}"
            shell.process.kill()
            shell.process.wait()
    finally:
        cntr("stop", "-t", "0", name, env=env)
