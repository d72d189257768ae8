"""What a report says of a result is what is in the image and in its halves."""

from __future__ import annotations

import json
from pathlib import Path

import hypothesis.strategies as st
import pytest
from cntr_slimmer.pipeline import Verdict
from cntr_slimmer.probes.result import Difference
from cntr_slimmer.report.data import collect
from cntr_slimmer.report.schema import Report
from cntr_slimmer.report.text import path_of, shown, words
from cntr_slimmer.report.write import read_report, render, write_report
from cntr_slimmer.selection import SelectionOptions, count
from cntr_slimmer.trace import file as traces
from cntr_slimmer.trace.record import Phase
from cntr_slimmer.verify import open_plain
from hypothesis import given

from cntr_core.errors import ImageError
from cntr_core.images.tree.tree import Directory
from tests.unit.images.layouts import file, hard_link, symlink, tar
from tests.unit.slimmer.report.making import LOWER, OUTCOME, UPPER, by_path, packed, report, slimmed


@given(st.binary())
def test_any_path_is_shown_without_loss(path: bytes) -> None:
    text = shown(path)
    assert text.isprintable()
    text.encode()
    assert path_of(text) == path


@given(st.text(st.characters(exclude_categories=())))
def test_words_can_be_printed_and_written(text: str) -> None:
    said = words(text)
    said.encode()
    assert said.replace("\n", "").replace("\t", "").isprintable()


def test_it_says_of_each_name_whether_the_slim_half_has_it(tmp_path: Path) -> None:
    with slimmed(tmp_path) as (result, image):
        made = collect(result, image, packed(result), "out.tar")
        with open_plain(result.pair.slim.layers) as slim:
            there = {shown(name.path) for name in slim.tree.walk()}
            kept = count(slim.tree.files())
        everything = count(result.layers.tree.files())
        names = {shown(name.path) for name in result.layers.tree.walk()}
        directories = {shown(n.path) for n in result.layers.tree.walk() if isinstance(n.file, Directory)}
    assert {each.path for each in made.files if each.kept} == there
    assert {each.path for each in made.files} == names
    assert {each.path for each in made.files if each.type == "directory"} == directories
    assert (made.content.kept_files, made.content.kept_bytes) == kept
    assert (made.content.files, made.content.bytes) == everything
    assert sum(each.bytes for each in made.files) == made.content.bytes


def test_each_kept_file_has_its_reason(tmp_path: Path) -> None:
    files = by_path(report(tmp_path))
    assert (files["/etc/app.conf"].rule, files["/etc/app.conf"].because) == (
        "trace",
        "opened by /usr/bin/app, at the start",
    )
    assert files["/var/lib/dpkg/status"].rule == "package-databases"
    assert files["/usr/share/doc"].rule == "directories"
    assert files["/usr/bin/app-again"].type == "hard link"
    assert files["/usr/bin/app-again"].target == "/usr/bin/app"
    assert files["/usr/bin/app-again"].rule == "trace"
    assert not files["/usr/share/doc/long"].kept


def test_what_was_used_and_left_out_says_so(tmp_path: Path) -> None:
    files = by_path(report(tmp_path, wishes=SelectionOptions(exclude=("/etc/app.conf",))))
    assert not files["/etc/app.conf"].kept
    assert "--exclude" in files["/etc/app.conf"].because


def test_who_starts_the_container_is_not_told_of(tmp_path: Path) -> None:
    starting = (
        (b"/usr/bin/python3.11", b"/var/lib/dpkg/status", Phase.SETUP),
        (b"[runc:[2:INIT]]", b"/usr/share/doc/long", Phase.START),
        (b"/shim", b"/bin/sh", Phase.PROBE),
        (b"[runc:[2:INIT]]", b"/etc/app.conf", Phase.PROBE),
    )
    files = by_path(report(tmp_path, more=starting))
    assert files["/var/lib/dpkg/status"].because == "needed to make the container"
    assert files["/usr/share/doc/long"].because == "needed to start the container"
    assert files["/bin/sh"].because == "needed to start a program, while it was probed"
    assert files["/etc/app.conf"].because == "opened by /usr/bin/app, at the start"


def test_a_shim_of_the_image_itself_is_one_of_its_programs(tmp_path: Path) -> None:
    own = ((b"/shim", b"/shim", Phase.START), (b"/shim", b"/settings", Phase.START))
    layer = tar(file("shim", b"#"), file("settings", b"s"))
    assert by_path(report(tmp_path, [layer], used=(), more=own))["/settings"].because == "read by /shim, at the start"


def test_times_add_up(tmp_path: Path) -> None:
    made = report(tmp_path)
    assert made.seconds >= sum(made.phases.values()) > 0


def test_sums_by_directory_package_and_layer(tmp_path: Path) -> None:
    made = report(tmp_path)
    directories = {each.path: each for each in made.directories}
    assert (directories["/usr/bin"].bytes, directories["/usr/bin"].kept_bytes) == (3570, 3000)
    assert directories["/"].bytes == made.content.bytes
    assert "/usr/share/doc" not in directories  # below the second level
    packages = {each.name: each for each in made.packages}
    assert (packages["app"].version, packages["app"].manager) == ("1.0-2", "dpkg")
    assert (packages["app"].files, packages["app"].kept_files) == (2, 2)
    assert (packages["doc"].bytes, packages["doc"].kept_bytes) == (90_011, 0)
    assert packages["doc"].gone and not packages["app"].gone and not packages["empty"].gone
    lower, upper = made.layers
    assert (upper.files, upper.kept_files, upper.bytes, upper.kept_bytes) == (2, 1, 31, 20)
    assert lower.tar == len(LOWER) and upper.tar == len(UPPER)
    assert lower.slim_compressed and lower.slim_compressed < lower.slim_tar < lower.tar


def test_two_architectures_of_a_package_are_counted_by_themselves(tmp_path: Path) -> None:
    of_one = "Package: lib\nStatus: install ok installed\nVersion: 1\nMulti-Arch: same\nArchitecture: {}\n\n"
    status = "".join(map(of_one.format, ("amd64", "i386"))).encode()
    lists = [
        file(f"var/lib/dpkg/info/lib:{one}.list", f"/usr/lib/{one}/lib.so\n".encode()) for one in ("amd64", "i386")
    ]
    libraries = (file("usr/lib/amd64/lib.so", b"l" * 7), file("usr/lib/i386/lib.so", b"l" * 5))
    layer = tar(file("var/lib/dpkg/status", status), *lists, *libraries)
    with slimmed(tmp_path, (layer,), used=(b"/usr/lib/amd64/lib.so",)) as (result, image):
        made = collect(result, image, (), "")
    found = [(each.name, each.version, each.architecture, each.bytes, each.kept_bytes) for each in made.packages]
    assert found == [("lib:amd64", "1", "amd64", 7, 7), ("lib:i386", "1", "i386", 5, 0)]
    assert {each.package for each in made.files} == {"", "lib:amd64", "lib:i386"}


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        ([{"created_by": "1"}, {"created_by": "ENV", "empty_layer": True}, {"created_by": "\x1b["}], ["1", "\\x1b["]),
        ([{"created_by": "one"}], ["", ""]),
        ([{}, {"created_by": 3}], ["", "3"]),
    ],
)
def test_layers_are_named_by_the_history(tmp_path: Path, history: list[object], expected: list[str]) -> None:
    assert [layer.created_by for layer in report(tmp_path, history=history).layers] == expected


def test_the_largest_of_what_went(tmp_path: Path) -> None:
    made = report(tmp_path)
    assert [each.path for each in made.largest_gone][:2] == ["/usr/share/doc/long", "/usr/bin/dash"]
    assert [each.path for each in made.gone_directories] == ["/usr/share", "/bin"]
    assert made.gone_directories[0].bytes == 90_011


def test_what_an_intruder_would_look_for(tmp_path: Path) -> None:
    made = report(tmp_path)
    assert {(each.kind, each.path, each.kept) for each in made.findings} == {
        ("setuid", "/usr/bin/app", True),
        ("setuid", "/usr/bin/app-again", True),
        ("shell", "/usr/bin/dash", False),
        ("shell", "/bin/sh", False),
        ("capabilities", "/usr/bin/ping", False),
    }
    [ping] = [each for each in made.findings if each.path == "/usr/bin/ping"]
    assert ping.detail == "CAP_NET_BIND_SERVICE"


def test_a_failure_says_what_differs(tmp_path: Path) -> None:
    differences = tuple(Difference("http:80/", "http:80/", "status", 200, status) for status in (404, 500))
    made = report(tmp_path, verdict=Verdict((OUTCOME,), differences, repaired=((b"/etc/a", b"/etc/\xff"),)))
    assert not made.ok
    assert "status was 200, and is 404 (and 1 more)" in made.trouble
    assert made.repairs == (("/etc/a", "/etc/\\xff"),)


@pytest.mark.parametrize("compression", ["", "gzip"])
def test_the_packages_are_known_after_a_failure(tmp_path: Path, compression: str) -> None:
    with slimmed(tmp_path, compression=compression) as (result, image):
        expected = collect(result, image, (), "").packages
        assert expected
    with slimmed(tmp_path / "again", compression=compression) as (_, image):
        assert collect(result, image, (), "").packages == expected


def test_json_has_all_of_it(tmp_path: Path) -> None:
    made = report(tmp_path, absent=[b"/etc/absent"])
    assert made.schema == "cntr-report/1"
    assert Report.from_json(json.loads(json.dumps(made.to_json()))) == made


def test_the_files_of_a_report(tmp_path: Path) -> None:
    with slimmed(tmp_path) as (result, image):
        made = collect(result, image, packed(result), "out.tar")
        write_report(render(made), result.trace, str(tmp_path / "new/report"))
    assert sorted(each.name for each in (tmp_path / "new/report").iterdir()) == [
        "report.html",
        "report.json",
        "trace.jsonl.zst",
    ]
    assert read_report(str(tmp_path / "new/report")) == made
    assert traces.read(str(tmp_path / "new/report/trace.jsonl.zst")) == result.trace


def test_a_report_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    with slimmed(tmp_path) as (result, image):
        made = collect(result, image, packed(result), "out.tar")
        (tmp_path / "file").write_text("mine")
        with pytest.raises(ImageError, match="cannot be written"):
            write_report(render(made), result.trace, str(tmp_path / "file"))
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"no json", "is not a report"),
        (b"[]", "not a report of the format"),
        (b'{"schema": "cntr-report/2"}', "not a report of the format"),
        (b'{"schema": "cntr-report/1", "image": 3}', "damaged"),
        (b"\xff", "is not a report"),
    ],
)
def test_what_is_no_report_is_an_error(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "report.json").write_bytes(content)
    with pytest.raises(ImageError, match=says):
        read_report(str(tmp_path / "report.json"))


def test_a_missing_report_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="cannot be read"):
        read_report(str(tmp_path / "none"))


def test_an_image_without_packages_or_files(tmp_path: Path) -> None:
    made = report(tmp_path, [tar(file("only", b"x"))], used=())
    assert made.packages == () and made.content.kept_bytes == 0 and made.content.bytes == 1


def test_names_of_strangers_stay_apart(tmp_path: Path) -> None:
    names = ["a\nb", "a\\x0ab", "a\udcffb", "a\u202eb", "</script><img src=x onerror=alert(1)>"]
    members = [file(name, bytes(number)) for number, name in enumerate(names, 1)]
    made = report(tmp_path, [tar(*members, symlink("link", "a\nb"), hard_link("hard", "a\nb"))], used=[b"/a\nb"])
    files = by_path(made)
    assert files["/a\\x0ab"].kept and files["/hard"].target == "/a\\x0ab" and files["/link"].target == "a\\x0ab"
    assert not files["/a\\\\x0ab"].kept
    assert {path_of(path) for path in files} >= {b"/" + name.encode("utf-8", "surrogateescape") for name in names}
