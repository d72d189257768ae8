"""pyfuse3 is optional, since it must be compiled: without it cntr works by ``direct``, and says so."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from cntr_core.cli.backend import named_backend
from cntr_core.plugins import load


def _found_first(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package pyfuse3 in `directory`, which is the only place where modules are looked for."""
    (directory / "pyfuse3").mkdir()
    monkeypatch.setattr(sys, "path", [str(directory)])
    monkeypatch.setattr(sys, "path_importer_cache", {})
    monkeypatch.delitem(sys.modules, "pyfuse3", raising=False)
    return directory / "pyfuse3"


def _lacking() -> str:
    return "; ".join(missing.what for missing in load().filesystem("pyfuse3").missing())


@pytest.fixture(autouse=True)
def _loaded() -> None:
    """The backend is imported while modules are looked for everywhere."""
    _lacking()


def test_a_package_that_is_not_there_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _found_first(tmp_path, monkeypatch).rmdir()
    assert "the package pyfuse3" in _lacking()


def test_a_package_for_other_pythons_alone_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (_found_first(tmp_path, monkeypatch) / "__init__.cpython-36m-x86_64-linux-gnu.so").touch()
    assert "the package pyfuse3" in _lacking()


def test_a_library_that_cannot_be_loaded_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (_found_first(tmp_path, monkeypatch) / "__init__.abi3.so").write_bytes(b"no library")
    assert "what the package pyfuse3 needs (" in _lacking()


@pytest.mark.requires("fuse")
def test_direct_serves_instead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (_found_first(tmp_path, monkeypatch) / "__init__.abi3.so").write_bytes(b"no library")
    assert named_backend(load(), "pyfuse3").name == "direct"
    assert "using the filesystem backend direct, for pyfuse3 lacks" in capsys.readouterr().err


def test_another_backend_is_never_replaced() -> None:
    assert named_backend(load(), "kernel").name == "kernel"
