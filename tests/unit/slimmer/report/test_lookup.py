"""Asking a report why: by any way to a file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cntr_slimmer.report.lookup import why
from cntr_slimmer.report.schema import Report
from cntr_slimmer.selection import SelectionOptions

from tests.unit.images.layouts import directory, file, symlink, tar
from tests.unit.slimmer.report.making import report


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return report(tmp_path_factory.mktemp("report"), absent=[b"/etc/absent"])


def test_a_file_that_was_used(made: Report) -> None:
    answer = why(made, "/etc/app.conf")
    assert (answer.state, answer.rule) == ("kept", "trace")
    assert answer.lines() == ("/etc/app.conf: kept", "  opened by /usr/bin/app, at the start (rule trace)")


def test_a_file_that_a_rule_keeps_has_the_lowest_profile_with_that_rule(made: Report) -> None:
    answer = why(made, "/var/lib/dpkg/status")
    assert answer.lines()[1].endswith(" (rule package-databases, profile minimal)")
    assert answer.to_json()["profile"] == "minimal"


def test_a_file_that_was_not_used(made: Report) -> None:
    answer = why(made, "/usr/share/doc/long")
    assert (answer.state, answer.package, answer.bytes) == ("gone", "doc", 90_000)
    assert answer.lines()[:2] == (
        "/usr/share/doc/long: not kept",
        "  the run never used it, and no rule asks for it",
    )
    assert "--include /usr/share/doc/long" in answer.hint and "--include-package doc" in answer.hint


def test_a_file_that_was_left_out(tmp_path: Path) -> None:
    answer = why(report(tmp_path, wishes=SelectionOptions(exclude=("/etc",))), "/etc/app.conf")
    assert answer.state == "gone" and "--exclude" in answer.because
    assert "--preserve /etc/app.conf" in answer.hint and "--include" not in answer.hint


@pytest.mark.parametrize("path", ["/usr/bin/tool", "usr/bin/tool", "/usr//bin/./tool/", "/usr/share/../bin/tool"])
def test_through_a_link(made: Report, path: str) -> None:
    answer = why(made, path)
    assert (answer.path, answer.state) == ("/usr/bin/app", "kept")
    assert [(link.path, link.target, link.kept) for link in answer.links] == [("/usr/bin/tool", "app", True)]


def test_through_a_link_that_went(made: Report) -> None:
    answer = why(made, "/bin/sh")
    assert (answer.path, answer.state) == ("/usr/bin/dash", "gone")
    assert "  by the link /bin/sh -> /usr/bin/dash, not kept" in answer.lines()


def test_a_directory_says_what_is_below(made: Report) -> None:
    answer = why(made, "/usr/bin")
    assert (answer.state, answer.share.files, answer.share.kept_files) == ("kept", 4, 2)
    assert "  below it 2 of 4 files are kept" in answer.lines()
    root = why(made, "/")
    assert (root.share.files, root.share.bytes) == (made.content.files, made.content.bytes)


def test_what_was_looked_for_in_vain(made: Report) -> None:
    answer = why(made, "/etc/absent")
    assert answer.state == "missing" and "did not find it" in answer.because
    assert "did not find it" not in why(made, "/etc/other").because


def test_below_a_file_is_nothing(made: Report) -> None:
    assert why(made, "/etc/app.conf/more").state == "missing"


def test_links_in_circles_and_to_nowhere(tmp_path: Path) -> None:
    made = report(tmp_path, [tar(symlink("a", "b"), symlink("b", "a"), symlink("c", "none"))], used=())
    assert "circles" in why(made, "/a").because
    answer = why(made, "/c")
    assert (answer.state, answer.path) == ("missing", "/none")


def test_links_of_directories_lead_on(tmp_path: Path) -> None:
    layer = tar(directory("usr/lib"), symlink("lib", "usr/lib"), file("usr/lib/x", b"x"))
    answer = why(report(tmp_path, [layer], used=[b"/usr/lib/x"]), "/lib/x")
    assert (answer.path, answer.state, [link.path for link in answer.links]) == ("/usr/lib/x", "kept", ["/lib"])


def test_names_of_any_bytes(tmp_path: Path) -> None:
    made = report(tmp_path, [tar(file("a\udcff", b"x"), file("b\\c", b"y"))], used=[b"/a\xff"])
    assert why(made, os.fsdecode(b"/a\xff")).state == "kept"
    assert why(made, "/a\\xff").state == "kept"  # as the report shows it
    assert why(made, "/b\\c").path == "/b\\\\c"


def test_the_answer_as_json(made: Report) -> None:
    values = why(made, "/bin/sh").to_json()
    assert values["state"] == "gone"
    assert values["links"] == [{"path": "/bin/sh", "target": "/usr/bin/dash", "kept": False}]
