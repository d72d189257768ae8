"""Our reading of entry points finds what Python's own does."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import sys
from pathlib import Path

import pytest

from cntr_core import entry_points


@pytest.mark.parametrize("group", ["cntr", "console_scripts", "pytest11", "there_is_none"])
def test_the_installed_ones_are_found_as_python_finds_them(group: str) -> None:
    python = {(each.name, each.value) for each in importlib.metadata.entry_points(group=group)}
    assert {(each.name, each.value) for each in entry_points.entry_points(group)} == python


def _install(directory: Path, distribution: str, text: str) -> None:
    info = directory / f"{distribution}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(text)


def test_odd_files_are_read_as_python_reads_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "; a comment\n[other]\nx = y\n\n[odd]\n# a comment\n a = os.path : join [extra]\nb=os\n\n[third]\nc = sys\n"
    _install(tmp_path / "first", "odd.one", text)
    _install(tmp_path / "second", "odd_one", text.replace("b=os", "d=os"))
    monkeypatch.setattr(sys, "path", [str(tmp_path / "first"), str(tmp_path / "second"), *sys.path])
    found = {each.name: each for each in entry_points.entry_points("odd")}
    assert set(found) == {"a", "b"} == {each.name for each in importlib.metadata.entry_points(group="odd")}
    assert found["a"].module == "os.path" and found["a"].load() is os.path.join and found["b"].load() is os
    assert getattr(found["a"].dist, "name", "") == "odd.one"


def _distribution(place: Path, name: str, **files: str) -> None:
    (place / name).mkdir()
    for file, text in files.items():
        (place / name / file.replace("__", ".")).write_text(text)


def test_what_is_installed_is_known_by_its_metadata(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [f"{tmp_path}"])
    before = entry_points.installed("odd")
    _distribution(tmp_path, "one-1.dist-info", entry_points__txt="[odd]\na = b\n")
    _distribution(tmp_path, "other-1.dist-info", direct_url__json='{"dir_info": {"editable": true}}')
    one = entry_points.installed("odd")
    assert before != one is not None, "who has none of these entry points may be edited"
    shutil.rmtree(tmp_path / "one-1.dist-info")
    _distribution(tmp_path, "one-1.dist-info", entry_points__txt="[odd]\na = b\n")
    assert entry_points.installed("odd") != one, "it is installed again"


@pytest.mark.parametrize(("name", "file"), [("one-1.dist-info", "direct_url__json"), ("one.egg-info", "PKG_INFO")])
def test_code_that_is_worked_on_is_not_told_by_metadata(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, file: str
) -> None:
    monkeypatch.setattr(sys, "path", [f"{tmp_path}"])
    files = {"entry_points__txt": "[odd]\na = b\n", file: '{"url": "file:///x", "dir_info": {"editable": true}}'}
    _distribution(tmp_path, name, **files)
    assert entry_points.installed("odd") is None
