"""What packaging/lock.txt pins is all that the released files need, and in the ranges of pyproject.toml."""

from __future__ import annotations

import importlib.util
from importlib.metadata import requires
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from cntr_core.version import DISTRIBUTION

WHEELS = Path(__file__).parents[2] / "packaging" / "wheels.py"


def _wheels() -> ModuleType:
    spec = importlib.util.spec_from_file_location("packaging_wheels", WHEELS)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _needed(name: str, extras: set[str], found: dict[str, list[Requirement]]) -> None:
    """Put what the installed distribution `name` needs, and what that needs, into `found`."""
    for line in requires(name) or ():
        one = Requirement(line)
        if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            known = canonicalize_name(one.name) in found
            found.setdefault(canonicalize_name(one.name), []).append(one)
            if not known:
                _needed(one.name, one.extras, found)


@pytest.mark.parametrize("extras", [set(), {"pyfuse3"}, {"sbom"}])
def test_all_that_is_needed_is_pinned(extras: set[str]) -> None:
    wheels = _wheels()
    assert extras <= set(wheels.EXTRAS)
    needed: dict[str, list[Requirement]] = {}
    _needed(DISTRIBUTION, extras, needed)
    pins = {name: line.split()[0].partition("==")[2] for name, line in wheels.locked().items()}
    assert set(needed) <= set(pins)
    for name, ones in needed.items():
        assert all(pins[name] in one.specifier for one in ones), name


def test_every_pin_has_the_checksum_of_a_file() -> None:
    assert all("--hash=sha256:" in line for line in _wheels().locked().values())
