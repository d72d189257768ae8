"""What is printed for people."""

import pytest

from cntr_core.cli import output


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
