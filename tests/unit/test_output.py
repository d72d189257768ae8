"""What is printed for people."""

import errno

import pytest

from cntr_core.cli import output
from cntr_core.errors import UsageError


def test_a_table_shows_control_characters_and_markup_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_table(("name",), [("\x1b[2Jx\ny [red]z[/red]",)], "none")
    printed = capsys.readouterr().out
    assert "\x1b" not in printed
    assert "\\x1b[2Jx\\ny [red]z[/red]" in printed


def test_an_empty_table_is_a_sentence_for_people_and_nothing_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_table(("name",), [], "no containers")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "cntr: no containers\n")


def test_a_long_cell_is_not_cut_when_a_program_reads(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_table(("name", "image"), [("a" * 300, "b" * 300)], "none")
    assert "a" * 300 in capsys.readouterr().out


def test_an_error_shows_control_characters_as_text_and_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    output.report(UsageError("no \x1b[2Jweb\nx", "see \x07 über"))
    assert capsys.readouterr().err == "cntr: no \\x1b[2Jweb\\nx\n  hint: see \\x07 über\n"


def test_steps_show_control_characters_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_lines(["run \x1b[31m \udcff"])
    assert capsys.readouterr().out == "  1. run \\x1b[31m \\udcff\n"


def test_an_unforeseen_refusal_names_its_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert output.report_unexpected(OSError(errno.ENOSPC, "No space left on device", "/etc/x")) == 125
    assert "/etc/x (" in capsys.readouterr().err


def test_a_hostile_name_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    output.report(UsageError(f"no image {'x' * 100_000}", " ".join("y" * 100_000)))
    sentence, hint = capsys.readouterr().err.splitlines()
    assert sentence == f"cntr: no image {'x' * 200}…"
    assert len(hint) < 2100 and hint.endswith("…")
