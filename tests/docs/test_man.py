"""The manual pages are those of the command line, man(1) takes them, and whoever can read them is told so."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.docs.generators import man
from tests.docs.generators.cli import COMMANDS
from tests.support.cntr import PROGRAM, environment

_UTF8 = {**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "400"}
NAMES = ["-".join(["cntr", *command.split()]) for command in COMMANDS]


def test_the_pages_equal_what_the_program_says() -> None:
    committed = {path.name: path.read_text(encoding="utf-8") for path in Path(man.FOLDER).iterdir()}
    assert committed == man.pages(), "run: python -m tests.docs.generators.man"
    assert sorted(committed) == sorted(f"{name}.1" for name in NAMES)


@pytest.mark.requires("man")
@pytest.mark.parametrize("name", NAMES)
def test_man_has_nothing_to_say_against(name: str) -> None:
    line = ["man", "--warnings=w", "--local-file", f"{man.FOLDER}/{name}.1"]
    done = subprocess.run(line, capture_output=True, text=True, env=_UTF8, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    options = set(_long_options(_help(name)))
    assert options and options <= set(_long_options(done.stdout)), name


@pytest.mark.requires("man")
def test_what_help_says_of_defaults_is_in_the_manual() -> None:
    """It stands in brackets, as what gives help texts their colours does."""
    line = ["man", "--local-file", f"{man.FOLDER}/cntr-attach.1"]
    shown = subprocess.run(line, capture_output=True, text=True, env=_UTF8, check=True, timeout=60).stdout
    assert "[default: private]" in shown and "[default: private]" in _help("cntr-attach")
    assert "[env var: CNTR_FS; default: auto]" in shown
    assert "[bold]" not in shown


def _help(name: str) -> str:
    env = environment({"COLUMNS": "200", "TERMINAL_WIDTH": "200", "TERM": "dumb"})
    line = [PROGRAM, *name.split("-")[1:], "--help"]
    return subprocess.run(line, capture_output=True, text=True, env=env, check=True, timeout=60).stdout


def _long_options(text: str) -> list[str]:
    return [word.strip(",.;") for word in text.split() if word.startswith("--") and word.strip("-,.;")]


@pytest.mark.requires("man")
@pytest.mark.parametrize("suffix", ["", ".gz", None])
def test_help_names_the_manual_where_it_is(tmp_path: Path, suffix: str | None) -> None:
    pages = tmp_path / "share/man/man1"
    pages.mkdir(parents=True)
    if suffix is not None:
        (pages / f"cntr.1{suffix}").write_bytes(b"")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/man").symlink_to("/usr/bin/man")
    env = environment({"PATH": f"{tmp_path}/bin", "COLUMNS": "116"})
    shown = subprocess.run([PROGRAM, "--help"], capture_output=True, text=True, env=env, check=True, timeout=60).stdout
    assert ("man cntr" in shown) == (suffix is not None)


def test_help_names_no_manual_without_man(tmp_path: Path) -> None:
    (tmp_path / "share/man/man1").mkdir(parents=True)
    (tmp_path / "share/man/man1/cntr.1").write_bytes(b"")
    (tmp_path / "bin").mkdir()
    env = environment({"PATH": f"{tmp_path}/bin"})
    shown = subprocess.run([PROGRAM, "--help"], capture_output=True, text=True, env=env, check=True, timeout=60).stdout
    assert "man cntr" not in shown
