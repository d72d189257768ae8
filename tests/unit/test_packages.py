"""What pyproject.toml lists by hand: a package that is not named there is missing wherever cntr is installed."""

from __future__ import annotations

import fnmatch
import os
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
SETUPTOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]


def _files() -> Iterator[tuple[str, str, str]]:
    """Each file below the packages of the top: that package, the one that it is in, and its path below the first."""
    for top, place in SETUPTOOLS["package-dir"].items():
        for folder, _, names in os.walk(ROOT / place):
            below = os.path.relpath(folder, ROOT / place)
            package = top if below == "." else f"{top}.{below.replace('/', '.')}"
            for name in names:
                if not name.endswith(".pyc"):
                    yield top, package, os.path.normpath(os.path.join(below, name))


def test_each_package_is_named() -> None:
    found = {package for _, package, path in _files() if path.endswith(".py")}
    assert sorted(SETUPTOOLS["packages"]) == sorted(found)


def test_each_other_file_is_named() -> None:
    others = [(top, path) for top, _, path in _files() if not path.endswith(".py")]
    data = SETUPTOOLS["package-data"]
    assert len(others) > 5
    unnamed = [f"{top}/{path}" for top, path in others if not _named(path, data.get(top, ()))]
    assert unnamed == []


def _named(path: str, patterns: list[str]) -> bool:
    return any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)
