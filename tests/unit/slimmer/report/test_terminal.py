"""The report on terminals: narrow ones, those that know ASCII only, and none at all."""

from __future__ import annotations

import io
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from cntr_slimmer.pipeline import Verdict
from cntr_slimmer.probes.result import Difference
from cntr_slimmer.report.schema import Report
from cntr_slimmer.report.terminal import show

from cntr_core.cli.output import console
from tests.support.terminal import Terminal
from tests.unit.images.layouts import file, tar
from tests.unit.slimmer.report.making import OUTCOME, report

LONG = [{"created_by": "RUN apt-get install " + "very-long-name " * 20}, {"created_by": "COPY"}]


def printed(made: Report, monkeypatch: pytest.MonkeyPatch, encoding: str = "utf-8") -> str:
    """What goes to a file."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    show(made, "app-report", console(100, markup=False, emoji=False), [("cntr stop web", "end it")])
    monkeypatch.undo()
    stream.flush()
    content: Any = stream.buffer
    return str(content.getvalue().decode(encoding))


def on_terminal(made: Report, monkeypatch: pytest.MonkeyPatch, columns: int) -> list[str]:
    """The lines on a terminal so wide."""
    monkeypatch.setenv("COLUMNS", str(columns))  # rich asks the descriptors 0 to 2 for it, which are pytest's
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    with open(os.dup(terminal.slave), "w", encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        show(made, "app-report", console(100, markup=False, emoji=False), [("cntr stop web", "end it")])
        print("the end", flush=True)
        monkeypatch.undo()
    terminal.expect(b"the end")
    text = terminal.printed.decode()
    assert "\x1b[" in text
    return re.sub(r"\x1b\[[0-9;]*m", "", text).replace("\r", "").splitlines()


def test_what_matters_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = printed(report(tmp_path), monkeypatch)
    assert "93.9 kB → 3.2 kB, 96.6 % less" in text
    assert "doc" in text and "whole package" in text
    assert "2 of 2 shells" in text
    assert "0 of 2 setuid programs" in text
    assert "✓ http:80/: answered 200, 21 ms" in text
    assert "app:slim" in text and "app:fat" in text and "app-report/report.html" in text
    assert "  cntr stop web  # end it" in text
    assert "\x1b" not in text


def test_ascii_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = printed(report(tmp_path, history=[{"created_by": "größe"}, {}]), monkeypatch, "ascii")
    assert "93.9 kB -> 3.2 kB" in text
    assert "ok http:80/" in text
    assert "gr\\xf6\\xdfe" in text


@pytest.mark.parametrize("columns", [80, 60])
def test_tables_fit_narrow_terminals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    lines = on_terminal(report(tmp_path, history=LONG), monkeypatch, columns)
    [head] = [number for number, line in enumerate(lines) if line.startswith("Layer")]
    for line in lines[head : head + 3]:
        assert len(line.rstrip()) <= columns
    assert "93.8 kB" in lines[head + 1] and "RUN apt-get" in lines[head + 1]


def test_a_failure_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    verdict = Verdict((OUTCOME,), (Difference("http:80/", "", "ok", True, False),), repaired=((b"/a", b"/b"),))
    text = printed(report(tmp_path, verdict=verdict), monkeypatch)
    assert "http:80/: ok was true, and is false" in text
    assert "2 missing files were added in 1 round of repair" in text


def test_names_do_not_speak_to_the_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    history = [{"created_by": "[red]\x1b[2Jbad\u202e[/red]"}, {}]
    text = printed(report(tmp_path, history=history), monkeypatch)
    assert "\x1b" not in text and "\u202e" not in text
    assert "[red]\\x1b[2Jbad" in text


def test_an_image_without_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = printed(report(tmp_path, [tar(file("empty"))], used=()), monkeypatch)
    assert "0 of 1 files are kept" in text
