"""Our options end where the command begins."""

from __future__ import annotations

import functools
import inspect
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import typer

from cntr_core.cli import attach, plain
from cntr_core.cli.words import marked

WITH_VALUE = {"-u", "--user", "-e"}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("web", "web"),
        ("web id -u 0", "web -- id -u 0"),
        ("-u 0 web id", "-u 0 web -- id"),
        ("-itu 0 web id -u", "-itu 0 web -- id -u"),
        ("-itu0 web id -u", "-itu0 web -- id -u"),
        ("-ui web id -u", "-ui web -- id -u"),
        ("--user 0 web --dry-run id --dry-run", "--user 0 web --dry-run -- id --dry-run"),
        ("--user=0 web id", "--user=0 web -- id"),
        ("web -u 0 id -u", "web -u 0 -- id -u"),
        ("web -- id -- x", "web -- id -- x"),
        ("web sh -c x -- y", "web -- sh -c x -- y"),
        ("-- web id", "-- web id"),
        ("web - -u", "web -- - -u"),
        ("-u", "-u"),
    ],
)
def test_a_mark_stands_before_the_command(line: str, expected: str) -> None:
    assert marked(shlex.split(line), WITH_VALUE) == shlex.split(expected)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("-u 0 image -u 1", "-u 0 image -- -u 1"),
        ("image -- -u 1 -- x", "image -- -u 1 -- x"),
        ("image --help", "image -- --help"),
        ("image", "image --"),
    ],
)
def test_after_an_image_all_words_are_the_containers(line: str, expected: str) -> None:
    assert marked(shlex.split(line), WITH_VALUE, ends_at_name=True) == shlex.split(expected)


@pytest.mark.parametrize("command", ["attach", "exec"])
@pytest.mark.parametrize(
    "words",
    [
        ["web", "--", "true"],
        ["web", "ls", "-l", "--", "-x"],
        ["web", "--", "--", "x"],
        ["docker://web", "id", "-u", "0"],
        ["web", "-", "x"],
        ["web", "", "x"],
        ["web"],
        ["web", "--"],
        ["", "true"],
        ["-u", "0", "web", "id"],
        ["web", "--dry-run", "id"],
        ["web", "--wait", "5s"],
        ["--", "web", "id"],
    ],
)
def test_plain_words_mean_what_typer_reads(command: str, words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[dict[str, Any]] = []
    monkeypatch.setattr(attach, "attach", _noting(attach.attach, read))
    monkeypatch.setattr(attach, "execute", _noting(attach.execute, read))
    call = plain.read([command, *words], {})
    if call is None:
        assert any(word.startswith("-") for word in words) or "" in words or (command, words) == ("exec", ["web"])
        return
    plain.run(call)
    app = typer.Typer()
    app.callback()(lambda: None)
    attach.register(app)
    app([command, *words], standalone_mode=False)
    assert read[0] == read[1]


def _noting(command: Callable[..., int], read: list[dict[str, Any]]) -> Callable[..., int]:
    @functools.wraps(command)
    def noted(*args: Any, **kwargs: Any) -> int:
        bound = inspect.signature(command).bind(*args, **kwargs)
        bound.apply_defaults()
        read.append(dict(bound.arguments))
        return 0

    return noted


@pytest.mark.parametrize("variable", ["CNTR_FS", "CNTR_HELPER_IMAGE", "CNTR_DEBUG", "_CNTR_COMPLETE"])
def test_a_variable_that_stands_for_an_option_makes_no_plain_call(variable: str) -> None:
    assert plain.read(["attach", "web"], {}) and plain.read(["attach", "web"], {variable: "x"}) is None


def test_a_plain_call_imports_no_parser() -> None:
    script = (
        "import sys\nsys.argv[1:] = ['attach', 'pid://0', 'true']\nfrom cntr_core.cli import program\n"
        "try:\n    program._run()\nexcept program.CntrError:\n    pass\nprint(*sys.modules)"
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("COV", "CNTR_")) and k != "PYTHONPATH"}
    run = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    found = set(run.stdout.split())
    assert "cntr_core.session.attach" in found or "cntr_core.engine.search" in found
    assert not found & {"typer", "typer.main", "rich", "dataclasses", "cntr_core.cli.app", "difflib"}
