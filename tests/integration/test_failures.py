"""How failures are told: one sentence and a step for people, and JSON for programs that asked for it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import typer.main

from cntr_core.cli.app import build
from tests.support.cntr import cntr

FAILING = {
    "list": ("--engine", "no-such-engine"),
    "engines": ("--no-such-option",),
    "plugins": ("too-many",),
    "doctor": ("--no-such-option",),
    "cp": ("/no/such/file", "nobody-knows-this:/x"),
    "slim": ("/no/such.tar",),
    "verify": ("/no/such.tar",),
    "diff": ("/no/such.tar", "/no/such.tar"),
    "why": ("/no/such.tar", "/etc"),
    "trace show": ("/no/such.trace",),
    "toolbox build": ("--no-such-option",),
    "trace diff": ("/no/such.trace", "/no/such.trace"),
}


def _commands_with_json() -> Iterator[str]:
    pending: list[tuple[str, Any]] = [("", typer.main.get_command(build()))]
    while pending:
        name, command = pending.pop()
        if any("--json" in each.opts for each in command.params):
            yield name.strip()
        pending += [(f"{name} {word}", inner) for word, inner in getattr(command, "commands", {}).items()]


def test_every_command_with_json_is_tried() -> None:
    assert set(_commands_with_json()) == set(FAILING)


@pytest.mark.parametrize("command", FAILING)
@pytest.mark.parametrize("is_json_last", [True, False])
def test_json_is_printed_on_failure_too(command: str, is_json_last: bool) -> None:
    words = [*FAILING[command], "--json"] if is_json_last else ["--json", *FAILING[command]]
    done = cntr(*command.split(), *words)
    said = done.stderr.decode().splitlines()
    answer = json.loads(done.stdout)
    assert answer["schema"] == 1
    assert f"cntr: {answer['error']['message']}" == said[0]
    assert answer["error"]["exit_code"] == done.returncode == 125
    assert answer["error"]["code"] in ("usage", "plugin", "image", "container-not-found", "copy", "error")
    assert said[1:] == [f"  hint: {answer['error']['hint']}"]


@pytest.mark.parametrize("command", ["slim", "trace show", "list"])
def test_without_json_stdout_stays_empty(command: str) -> None:
    assert cntr(*command.split(), *FAILING[command]).stdout == b""


MISTAKES = {
    ("attach",): ("CONTAINER is missing", "see cntr attach --help"),
    ("exec", "web"): ("COMMAND is missing", "see cntr exec --help"),
    ("toolbox", "build", "-t", "tools"): (
        "no such option: -t",
        "name the image by its place: --output docker://NAME; see cntr toolbox build --help",
    ),
    ("slim", "x.tar", "--tag=small"): (
        "no such option: --tag",
        "name the image by its place: --output docker://NAME; see cntr slim --help",
    ),
    ("list", "-t"): ("no such option: -t", "see cntr list --help"),
    ("list", "--engin"): ("no such option: --engin", "did you mean --engine; see cntr list --help"),
    ("lst",): ("no such command 'lst'", "did you mean 'list'; see cntr --help"),
    ("list", "a", "b"): ("too many words: a b", "see cntr list --help"),
    ("attach", "--timeout", "soon", "web"): (
        "invalid value for '--timeout': 'soon' is not a number",
        "see cntr attach --help",
    ),
}


@pytest.mark.parametrize("words", MISTAKES, ids=" ".join)
def test_a_mistake_in_the_words_is_told_as_other_errors_are(words: tuple[str, ...]) -> None:
    done = cntr(*words)
    sentence, hint = MISTAKES[words]
    assert done.stderr.decode() == f"cntr: {sentence}\n  hint: {hint}\n"
    assert (done.returncode, done.stdout) == (125, b"")


@pytest.mark.parametrize("group", [(), ("trace",)], ids=" ".join)
def test_a_group_alone_prints_its_help(group: tuple[str, ...]) -> None:
    done = cntr(*group)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.rstrip() == cntr(*group, "--help").stdout.rstrip()


@pytest.mark.requires("docker")
@pytest.mark.parametrize("command", ["attach", "slim"])
def test_a_name_that_nobody_knows_tells_of_three_engines_at_most(command: str) -> None:
    said = cntr(command, "nobody-knows-this").stderr.decode()
    assert "nobody-knows-this" in said.splitlines()[0] and len(said.splitlines()) == 2
    engines = ("command", "containerd", "docker", "incus", "kubernetes", "lxc", "lxd", "nspawn", "oci", "podman", "rkt")
    assert sum(f"{engine}: " in said for engine in engines) <= 3
