"""A help page that was kept is the one that typer would print, and is printed without typer."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

_PROGRAM = """
import sys
state, *sys.argv = sys.argv[1:]
state, _, blocked = state.partition(" without ")
from cntr_core.cli import help_pages
help_pages.installed = lambda group: None if state == "edited" else [state]
if blocked:
    sys.modules[blocked] = None
from cntr_core.cli import main
main()
"""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CNTR_CACHE_DIR", f"{tmp_path}/cache")
    for variable in ("COLUMNS", "FORCE_COLOR", "NO_COLOR", "CNTR_DEBUG"):
        monkeypatch.delenv(variable, raising=False)
    return tmp_path / "cache"


def _line(state: str, words: str) -> list[str]:
    return [sys.executable, "-c", _PROGRAM, state, "cntr", *words.split()]


def _printed(state: str, words: str) -> bytes:
    return subprocess.run(_line(state, words), check=True, capture_output=True, timeout=60).stdout


def _on_terminal(state: str, words: str, width: int) -> bytes:
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
    run = subprocess.Popen(_line(state, words), stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    shown = b""
    try:
        while data := os.read(master, 1 << 16):
            shown += data
    except OSError:  # its other end is closed
        pass
    os.close(master)
    assert run.wait(60) == 0, shown
    return shown


@pytest.mark.parametrize("words", ["", "--help", "-h", "attach --help", "slim -h"])
@pytest.mark.parametrize("variable", ["COLUMNS=60", "FORCE_COLOR=1", "PYTHONIOENCODING=ascii:replace"])
def test_a_kept_page_is_the_same_in_a_pipe(words: str, variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(*variable.split("="))
    made = _printed("edited", words)
    assert b"Usage" in made
    assert _printed("installed", words) == made
    assert _printed("installed without typer", words) == made


def test_a_kept_page_is_the_same_on_a_terminal_of_any_width(cache: Path) -> None:
    for width in (70, 120):
        made = _on_terminal("edited", "--help", width)
        assert b"\x1b[" in made, "it has colours"
        assert _on_terminal("installed", "--help", width) == made
        assert _on_terminal("installed without typer", "--help", width) == made
    assert len(list((cache / "help").iterdir())) == 2


def test_another_page_and_another_installation_make_it_again() -> None:
    _printed("installed", "--help")
    for state, words in (("installed", "attach --help"), ("changed", "--help")):
        with pytest.raises(subprocess.CalledProcessError):
            _printed(f"{state} without typer", words)
        assert _printed(state, words) == _printed("edited", words)


@pytest.mark.parametrize("words", ["nothing --help", "--nothing", "slim image --nothing"])
def test_what_is_no_page_is_not_kept(words: str, cache: Path) -> None:
    runs = [subprocess.run(_line("installed", words), capture_output=True, timeout=60) for _ in range(2)]
    assert runs[0].returncode == runs[1].returncode == 125
    assert runs[0].stderr == runs[1].stderr != b""
    assert runs[0].stdout == b""
    assert not (cache / "help").exists()
