"""Globs over an image, and the paths that users give."""

from __future__ import annotations

from pathlib import Path

import pytest
from cntr_slimmer.rules.globs import compiled, expand
from cntr_slimmer.rules.paths import Exclusion, PathPatterns, Paths

from cntr_core.errors import UsageError
from tests.unit.slimmer.rules.directory_view import DirectoryView
from tests.unit.slimmer.rules.trees import ask, plant

FILES = {
    "usr/lib/a.so": "",
    "usr/lib/ab.so.1": "",
    "usr/lib/deep/er/a.so": "",
    "usr/lib/.hidden/a.so": "",
    "usr/lib/odd\n[1]/a.so": "",
    "usr/libexec/a.so": "",
    "lib": "->usr/lib",
    "usr/lib/current": "->deep",
    "usr/lib/dangling": "->nowhere",
}


@pytest.fixture
def view(tmp_path: Path) -> DirectoryView:
    plant(tmp_path, FILES)
    return DirectoryView(tmp_path)


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        (b"/usr/lib/a.so", [b"/usr/lib/a.so"]),
        (b"/usr/lib/*.so", [b"/usr/lib/a.so"]),
        (b"/usr/lib/a*.so*", [b"/usr/lib/a.so", b"/usr/lib/ab.so.1"]),
        (b"/usr/l?b/a.so", [b"/usr/lib/a.so"]),
        (b"/usr/lib/[!b]?.so.[0-9]", [b"/usr/lib/ab.so.1"]),
        (b"/usr/*/a.so", [b"/usr/lib/a.so", b"/usr/libexec/a.so"]),
        (b"/usr/lib/*/er/*", [b"/usr/lib/current/er/a.so", b"/usr/lib/deep/er/a.so"]),
        (b"/usr/lib/deep/**", [b"/usr/lib/deep/er", b"/usr/lib/deep/er/a.so"]),
        (b"/usr/lib/**/er/a.so", [b"/usr/lib/deep/er/a.so"]),
        (b"/usr/lib/d*g", [b"/usr/lib/dangling"]),
        (b"/usr/lib/odd*/*", [b"/usr/lib/odd\n[1]/a.so"]),
        (b"/lib/deep/**/*.so", [b"/usr/lib/deep/er/a.so"]),
        (b"/none/**", []),
        (b"/usr/lib/a.so/**", []),
        (b"/", [b"/"]),
    ],
)
def test_a_glob_finds(view: DirectoryView, pattern: bytes, found: list[bytes]) -> None:
    assert list(expand(view, pattern)) == found


def test_stars_find_what_begins_with_a_dot(view: DirectoryView) -> None:
    assert b"/usr/lib/.hidden/a.so" in expand(view, b"/usr/lib/*/a.so")
    assert b"/usr/lib/.hidden/a.so" in expand(view, b"/usr/lib/**/a.so")


def test_a_glob_may_count_from_a_directory_of_any_name(view: DirectoryView) -> None:
    assert list(expand(view, b"*.so", b"/usr/lib/odd\n[1]")) == [b"/usr/lib/odd\n[1]/a.so"]
    assert list(expand(view, b"/usr/libexec/*", b"/usr/lib")) == [b"/usr/libexec/a.so"]


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        (b"**/bin/node", b"/usr/bin/node", True),
        (b"**/bin/node", b"/bin/node", True),
        (b"**/bin/node", b"/usr/sbin/node", False),
        (b"/usr/*/node", b"/usr/a/b/node", False),
        (b"/usr/**", b"/usr/a/b\n", True),
        (b"/usr/a", b"/usr/a\n", False),
        (b"/usr/\xff*", b"/usr/\xff\xfe", True),
    ],
)
def test_a_path_is_compared_with_a_glob_as_a_whole(pattern: bytes, path: bytes, matches: bool) -> None:
    assert bool(compiled((pattern,)).fullmatch(path)) == matches


@pytest.mark.parametrize(
    ("said", "path", "matches"),
    [
        ("/usr/lib", b"/usr/lib", True),
        ("/usr/lib", b"/usr/lib/deep/er/a.so", True),
        ("/usr/lib/", b"/usr/lib/a.so", True),
        ("/usr/lib", b"/usr/libexec/a.so", False),
        ("/lib/a.so", b"/usr/lib/a.so", True),
        ("/lib/*.so", b"/usr/lib/a.so", True),
        ("/usr/lib/d*", b"/usr/lib/deep/er/a.so", True),
        ("/usr/lib/*.so", b"/usr/lib/deep/er/a.so", False),
        ("/usr/lib/**/*.so", b"/usr/lib/deep/er/a.so", True),
        ("/usr/../usr//lib/./a.so", b"/usr/lib/a.so", True),
        ("/", b"/anything", True),
        ("/made/later", b"/made/later/on", True),
    ],
)
def test_a_users_path_means_itself_and_all_below(view: DirectoryView, said: str, path: bytes, matches: bool) -> None:
    assert PathPatterns(view, [said]).matches(path) == matches


def test_a_relative_path_is_refused(view: DirectoryView) -> None:
    with pytest.raises(UsageError, match="'usr/lib' does not begin with a slash"):
        PathPatterns(view, ["/usr", "usr/lib"])


def test_a_path_that_finds_nothing_is_told(view: DirectoryView) -> None:
    assert PathPatterns(view, ["/usr/lib", "/usr/lbi", "/lib/*.os"]).unmatched() == ["/usr/lbi", "/lib/*.os"]


def test_included_directories_are_kept_with_all_below(tmp_path: Path, view: DirectoryView) -> None:
    kept = ask(tmp_path, [Paths(PathPatterns(view, ["/lib/current", "/usr/libexec/*"]))], [])
    assert set(kept) == {"/usr/lib/current", "/usr/lib/deep/er/a.so", "/usr/libexec/a.so"}
    assert {reason.because for reason in kept.values()} == {"it was asked for"}


def test_what_is_preserved_is_not_excluded(view: DirectoryView) -> None:
    excluded = Exclusion(PathPatterns(view, ["/usr/lib"]), PathPatterns(view, ["/usr/lib/deep"]))
    assert excluded(b"/usr/lib/a.so")
    assert not excluded(b"/usr/lib/deep/er/a.so")
    assert not excluded(b"/usr/libexec/a.so")
