"""Directories that would mislead if they were empty are in the fat half alone; all others are in both."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import pytest
from cntr_slimmer.hollow import hollow_directories
from cntr_slimmer.report.lookup import why
from cntr_slimmer.rules.builtin import RULES
from cntr_slimmer.selection import SelectionOptions, choose
from cntr_slimmer.split.pair import make_pair
from cntr_slimmer.trace.record import AccessTrace
from cntr_slimmer.verify import check_files, check_join, open_plain

from cntr_core.images.tree.tree import Directory
from cntr_core.rules import Profile
from tests.unit.images.layouts import directory, file, hard_link, symlink, tar
from tests.unit.images.tree.layered import opened
from tests.unit.slimmer.report.making import report
from tests.unit.slimmer.test_split import config, joined

SITE = "usr/lib/python3/dist-packages"
PACKAGES = tar(
    *map(directory, ("usr", "usr/lib", "usr/lib/python3", SITE, f"{SITE}/yaml", f"{SITE}/yaml/inner")),
    file(f"{SITE}/yaml/__init__.py"),
    file(f"{SITE}/yaml/inner/data"),
    directory(f"{SITE}/used"),
    file(f"{SITE}/used/__init__.py"),
    file(f"{SITE}/used/a.py"),
    directory(f"{SITE}/used/sub"),
    file(f"{SITE}/used/sub/__init__.cpython-311-x86_64-linux-gnu.so"),
    directory(f"{SITE}/google"),
    directory(f"{SITE}/google/proto"),
    file(f"{SITE}/google/proto/__init__.pyc"),
    directory(f"{SITE}/yaml-6.0.dist-info"),
    file(f"{SITE}/yaml-6.0.dist-info/METADATA"),
    directory("var/lib/app"),
)
GONE = {f"{SITE}/{name}" for name in ("yaml", "yaml/inner", "used/sub", "google/proto", "yaml-6.0.dist-info")}


def _directories(layers: Sequence[bytes], kept: Collection[str], where: Path, *, squash: bool = False) -> set[str]:
    """The directories of the slim half, which makes the original with the fat one."""
    with opened(list(layers)) as merged:
        files = [name.file for name in merged.tree.walk() if name.path[1:].decode() in kept]
        places = [name.path for one in files for name in one.names]
        hollow = [name.file.ino for name in hollow_directories(merged.tree, places)]
        pair = make_pair(merged, config(list(layers)), files, str(where), hollow=hollow, squash=squash)
        check_join(pair)
        if not squash:
            assert joined(pair) == list(layers)
        with open_plain(pair.slim.layers) as slim:
            check_files(slim, merged.tree, {})
            found = list(slim.tree.walk())
    return {name.path[1:].decode() for name in found if isinstance(name.file, Directory)}


def _all(layers: Sequence[bytes]) -> set[str]:
    with opened(list(layers)) as merged:
        return {name.path[1:].decode() for name in merged.tree.walk() if isinstance(name.file, Directory)}


@pytest.mark.parametrize("squash", [False, True])
def test_a_package_of_which_nothing_is_kept_leaves_no_directory(tmp_path: Path, squash: bool) -> None:
    kept = {f"{SITE}/used/a.py"}
    assert _directories([PACKAGES], kept, tmp_path, squash=squash) == _all([PACKAGES]) - GONE


def test_one_file_is_enough_for_the_directory(tmp_path: Path) -> None:
    kept = {f"{SITE}/yaml/inner/data", f"{SITE}/google/proto/__init__.pyc", f"{SITE}/used"}
    assert _all([PACKAGES]) - _directories([PACKAGES], kept, tmp_path) == {
        f"{SITE}/used/sub",
        f"{SITE}/yaml-6.0.dist-info",
    }


def test_a_directory_without_a_member_of_its_own(tmp_path: Path) -> None:
    layers = [tar(file("site/yaml/__init__.py"), file("site/x"), file("opt/empty/y"))]
    assert _directories(layers, {"site/x"}, tmp_path) == {"site", "opt", "opt/empty"}


def test_a_package_whose_files_come_in_several_layers(tmp_path: Path) -> None:
    """Whiteouts in it go, too: unpacking one would make the directory. What came by way of a link is found."""
    layers = [
        tar(directory("lib"), symlink("l", "lib"), file("x"), directory("lib/p"), file("lib/p/a")),
        tar(directory("lib/p", mode=0o700), file("lib/p/.wh.a"), directory("l/p/q"), file("lib/p/q/__init__.py")),
        tar(directory("l/p"), file("lib/p/.wh..wh..opq"), file("lib/p/__init__.py")),
    ]
    assert _directories(layers, {"x"}, tmp_path) == {"lib"}


def test_a_whiteout_that_hides_another_name_of_a_kept_file(tmp_path: Path) -> None:
    layers = [
        tar(directory("p"), file("p/__init__.py"), file("p/a", b"1"), hard_link("b", "p/a"), file("big", b"2" * 5000)),
        tar(file("p/.wh.a")),
    ]
    assert _directories(layers, {"b"}, tmp_path) == {"p"}  # it has the content


def test_a_hard_link_in_a_package_keeps_its_directory(tmp_path: Path) -> None:
    layers = [tar(directory("p"), file("p/__init__.py"), file("p/a", b"1"), hard_link("b", "p/a"))]
    assert _directories(layers, {"b"}, tmp_path) == {"p"}


LINKS = tar(
    directory("site"),
    directory("share/yaml"),
    file("share/yaml/__init__.py"),
    symlink("site/yaml", "../share/yaml"),
    directory("site/p"),
    file("site/p/__init__.py"),
    symlink("site/p/to", "/share"),
    symlink("site/other", "/share"),
    file("etc/app.conf"),
)


def test_a_link_to_a_directory_that_is_left_out_is_left_out(tmp_path: Path) -> None:
    made = report(tmp_path, layers=[LINKS], used=[b"/etc/app.conf"])
    kept = {each.path for each in made.files if each.kept}
    assert kept == {"/etc", "/etc/app.conf", "/share", "/site", "/site/other"}
    answer = why(made, "/share/yaml")
    assert answer.state == "gone" and "Python would import the empty directory as a package" in answer.because


def test_the_directory_where_programs_start_stays() -> None:
    layers = [tar(directory("app"), file("app/__init__.py"), directory("app/sub"), file("app/sub/__init__.py"))]
    nothing = AccessTrace("", "", (), ())
    with opened(layers) as merged:
        selection = choose(
            merged, config(layers, WorkingDir="app"), nothing, RULES, SelectionOptions(profile=Profile.MINIMAL)
        )
        assert {merged.tree.resolve(b"/app/sub").file.ino} == selection.hollow
