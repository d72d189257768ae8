"""The table of docker's options: complete, true to both programs' help, and each row is done by both."""

from __future__ import annotations

import os
import re
import subprocess
import uuid
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.integration.session.conftest import Small
from tests.support.cntr import PROGRAM, cntr, environment
from tests.support.images import docker_image

pytestmark = pytest.mark.requires("root", "docker", "fuse", "runc")

PAGE = Path(__file__).parents[3] / "docs/reference/docker-options.md"
_NAMES = re.compile(r"^(?:│ +(?:\* +)?| *)((?:-\w, +)?--[a-z-]+(?: +-\w\b)?)", re.MULTILINE)


def _rows(command: str) -> dict[str, tuple[frozenset[str], frozenset[str]]]:
    """By the long name of docker's option: its names, and those of ours, none where it is not supported."""
    section = PAGE.read_text().partition(f"\n## docker {command}\n")[2].partition("\n## ")[0]
    cells = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| `")]
    words = [(re.findall(r"`(-[\w-]+)`", docker), re.findall(r"`(-[\w-]+)`", ours)) for docker, ours, _ in cells]
    return {names[0]: (frozenset(names), frozenset(ours)) for names, ours in words}


@cache
def _help(*line: str) -> dict[str, frozenset[str]]:
    """The options of a program's help, by their long names."""
    text = subprocess.run([*line, "--help"], capture_output=True, check=True, env=environment()).stdout.decode()
    found = [frozenset(re.findall(r"--?[\w-]+", names)) for names in _NAMES.findall(text)]
    return {next(name for name in names if name.startswith("--")): names for names in found}


@pytest.mark.parametrize("command", ["exec", "cp", "run"])
def test_the_table_has_every_option_and_is_true_to_the_help(command: str) -> None:
    rows, dockers, ours = _rows(command), _help("docker", command), _help(PROGRAM, command)
    assert set(rows) == (set(dockers) & set(ours) if command == "run" else set(dockers)) - {"--help"}
    for option, (names, own) in rows.items():
        assert names == dockers[option], option
        if own:
            assert own == ours[option], option
        else:
            assert option not in ours


class Both:
    """A container, and both programs to do the same in it, or with its image."""

    def __init__(self, name: str, image: Small, directory: Path) -> None:
        self.name = name
        self.image = image
        self.directory = directory

    def printed(self, program: str, command: str, *words: str, stdin: bytes = b"") -> str:
        """What ``docker COMMAND`` or ``cntr COMMAND`` prints; ``NAME`` and ``IMAGE`` stand for what they call."""
        image = self.image.docker if program == "docker" else self.image.archive
        known = {"NAME": self.name, "IMAGE": image, "FRESH": f"cntr-test-{uuid.uuid4().hex[:8]}"}
        line = [program if program == "docker" else PROGRAM, command, *(known.get(word, word) for word in words)]
        env = environment({"GIVEN": "the caller's"})
        done = subprocess.run(line, input=stdin, capture_output=True, env=env, cwd=self.directory, timeout=90)
        return f"{done.returncode}: {done.stdout.decode()}"

    def agree(self, command: str, *words: str, stdin: bytes = b"") -> str:
        """The same of both."""
        expected = self.printed("docker", command, *words, stdin=stdin)
        assert self.printed("cntr", command, *words, stdin=stdin) == expected
        return expected

    def copied(self, *words: str) -> None:
        """Copy a link out of the container by both programs, and compare what comes."""
        found = []
        for program in ("docker", PROGRAM):
            target = self.directory / uuid.uuid4().hex
            line = [program, "cp", *words, f"{self.name}:/srv/link", str(target)]
            done = subprocess.run(line, capture_output=True, env=environment(), timeout=90, check=True)
            assert "-q" not in words or not done.stderr
            found.append((target.is_symlink(), os.readlink(target) if target.is_symlink() else target.read_bytes()))
        assert found[0] == found[1]

    def copied_in(self, *words: str) -> None:
        """Copy a file of user 7 into the container by both programs, and compare whose it is."""
        mine = self.directory / "mine"
        mine.touch()
        os.chown(mine, 7, 8)
        shown = []
        for program in ("docker", PROGRAM):
            line = [program, "cp", *words, str(mine), f"{self.name}:/srv/copied"]
            subprocess.run(line, capture_output=True, env=environment(), timeout=90, check=True)
            shown.append(self.printed("docker", "exec", "NAME", "stat", "-c", "%u:%g", "/srv/copied"))
        assert shown == ["0: 7:8\n"] * 2


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, small: Small) -> Iterator[Both]:
    directory = tmp_path_factory.mktemp("options")
    (directory / "variables").write_text("# docker's format\nFROM=a file\nGIVEN\n")
    name = f"cntr-test-options-{uuid.uuid4().hex[:8]}"
    line = ["docker", "run", "--detach", "--name", name, docker_image("debian"), "sleep", "1000000"]
    subprocess.run(line, check=True, capture_output=True, timeout=60)
    made = "echo content >/srv/file; chown 7 /srv/file; ln -s file /srv/link; chown -h 7 /srv/link"
    subprocess.run(["docker", "exec", name, "sh", "-c", made], check=True, timeout=60)
    yield Both(name, small, directory)
    subprocess.run(["docker", "rm", "--force", name], check=True, capture_output=True, timeout=60)


def _refused(both: Both, *words: str) -> None:
    done = cntr("exec", *words, both.name, "true")
    assert done.returncode == 125 and b"is not supported: a session ends with cntr" in done.stderr


def _privileged(both: Both) -> None:
    own = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("CapEff"))
    assert both.printed("cntr", "exec", "--privileged", "NAME", "grep", "CapEff", "/proc/self/status") == f"0: {own}\n"


def _terminal(both: Both, command: str, *words: str) -> None:
    assert both.printed("docker", command, "-t", *words, "tty").startswith("0: /dev/pts/")
    assert both.printed("cntr", command, "-t", *words, "tty").startswith("0: /dev/pts/")


def _names(both: Both) -> None:
    for program, remove in (("docker", ("docker", "rm", "--force")), ("cntr", (PROGRAM, "stop", "-t", "0"))):
        name = f"cntr-test-{uuid.uuid4().hex[:8]}"
        try:
            assert both.printed(program, "run", "-d", "--name", name, "IMAGE", "sleep", "1000").startswith("0: ")
            assert both.printed(program, "exec", name, "echo", "there") == "0: there\n"
        finally:
            subprocess.run([*remove, name], check=True, capture_output=True, timeout=60)


def _limits(both: Both) -> None:
    shown = "cd /sys/fs/cgroup; cat memory.max memory/memory.limit_in_bytes pids.max pids/pids.max; :"
    both.agree("run", "--rm", "-m", "64m", "--pids-limit", "9", "IMAGE", "sh", "-c", shown)


def _volume(both: Both) -> str:
    return f"{both.directory}/variables:/new/given:ro"


def _mount(both: Both) -> str:
    return f"type=bind,src={both.directory}/variables,dst=/new/given,readonly"


_GIVEN = "cat /new/given; ! echo more >/new/given"
_SHOWN = ("sh", "-c", 'echo "$GIVEN,$FROM,$SET"')
DONE: dict[tuple[str, str], Callable[[Both], object]] = {
    ("exec", "--detach"): lambda both: _refused(both, "-d"),
    ("exec", "--detach-keys"): lambda both: _refused(both, "--detach-keys", "ctrl-a"),
    ("exec", "--env"): lambda both: both.agree("exec", "-e", "SET=1", "--env", "GIVEN", "NAME", *_SHOWN),
    ("exec", "--env-file"): lambda both: both.agree("exec", "--env-file", "variables", "NAME", *_SHOWN),
    ("exec", "--interactive"): lambda both: both.agree("exec", "-i", "NAME", "cat", stdin=b"word"),
    ("exec", "--privileged"): _privileged,
    ("exec", "--tty"): lambda both: _terminal(both, "exec", "NAME"),
    ("exec", "--user"): lambda both: both.agree("exec", "-u", "daemon:staff", "NAME", "id"),
    ("exec", "--workdir"): lambda both: both.agree("exec", "-w", "/srv", "NAME", "pwd"),
    ("cp", "--archive"): lambda both: both.copied_in("-a"),
    ("cp", "--follow-link"): lambda both: both.copied("-L"),
    ("cp", "--quiet"): lambda both: both.copied("-q"),
    ("run", "--detach"): _names,
    ("run", "--entrypoint"): lambda both: both.agree("run", "--rm", "--entrypoint", "echo", "IMAGE", "word"),
    ("run", "--env"): lambda both: both.agree("run", "--rm", "-e", "SET=1", "-e", "GIVEN", "IMAGE", *_SHOWN),
    ("run", "--env-file"): lambda both: both.agree("run", "--rm", "--env-file", "variables", "IMAGE", *_SHOWN),
    ("run", "--interactive"): lambda both: both.agree("run", "--rm", "-i", "IMAGE", "cat", stdin=b"word"),
    ("run", "--memory"): _limits,
    ("run", "--mount"): lambda both: both.agree("run", "--rm", "--mount", _mount(both), "IMAGE", "sh", "-c", _GIVEN),
    ("run", "--name"): _names,
    ("run", "--network"): lambda both: both.agree("run", "--rm", "--network", "none", "IMAGE", "ls", "/sys/class/net"),
    ("run", "--pids-limit"): _limits,
    ("run", "--read-only"): lambda both: both.agree("run", "--rm", "--read-only", "IMAGE", "sh", "-c", "! touch /x"),
    ("run", "--rm"): lambda both: both.agree("run", "--rm", "--name", "FRESH", "IMAGE", "sh", "-c", "exit 3"),
    ("run", "--security-opt"): lambda both: both.agree(
        "run", "--rm", "--security-opt", "seccomp=unconfined", "IMAGE", "grep", "^Seccomp:", "/proc/self/status"
    ),
    ("run", "--tty"): lambda both: _terminal(both, "run", "--rm", "IMAGE"),
    ("run", "--user"): lambda both: both.agree("run", "--rm", "-u", "1:50", "IMAGE", "id"),
    ("run", "--volume"): lambda both: both.agree("run", "--rm", "-v", _volume(both), "IMAGE", "sh", "-c", _GIVEN),
    ("run", "--workdir"): lambda both: both.agree("run", "--rm", "-w", "/srv/new", "IMAGE", "pwd"),
}


def test_every_row_is_done() -> None:
    assert set(DONE) == {(command, option) for command in ("exec", "cp", "run") for option in _rows(command)}


@pytest.mark.parametrize(("command", "option"), DONE, ids=map(" ".join, DONE))
def test_a_row_is_what_docker_does_or_is_refused(both: Both, command: str, option: str) -> None:
    DONE[command, option](both)
