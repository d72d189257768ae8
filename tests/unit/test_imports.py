"""Who may import whom (docs: the design's layers), read from the sources without importing them."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator

import pytest

_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_PACKAGES = {"cntr_core": "cntr_core", "cntr_plugins": "plugins", "cntr_slimmer": "slimmer"}

# A module imports its own level and those below. The longest prefix counts.
_LEVELS = {
    "cntr_core.errors": 0,
    "cntr_core.labels": 0,
    "cntr_core.timing": 0,
    "cntr_core.types": 1,
    "cntr_core.kernel": 2,
    "cntr_core.engine": 3,
    "cntr_core.filesystem": 3,
    "cntr_core.rules": 3,
    "cntr_core.hookspecs": 4,
    "cntr_core.images": 4,
    "cntr_core.plugins": 5,
    "cntr_core.runtime": 5,
    "cntr_core.session": 5,
    "cntr_core.testing": 6,
    "cntr_core.cli": 7,
}
_FAMILIES = ("cntr_plugins.engines", "cntr_plugins.fs", "cntr_slimmer")


def _modules() -> Iterator[tuple[str, str]]:
    """Every module of ours: its dotted name and its file."""
    for package, folder in _PACKAGES.items():
        for directory, _, files in os.walk(os.path.join(_ROOT, folder)):
            below = os.path.relpath(directory, os.path.join(_ROOT, folder)).replace(os.sep, ".")
            prefix = package if below == "." else f"{package}.{below}"
            for file in files:
                if file.endswith(".py"):
                    stem = file.removesuffix(".py")
                    name = prefix if stem == "__init__" else f"{prefix}.{stem}"
                    yield name, os.path.join(directory, file)


def imports(module: str, source: str, is_package: bool) -> Iterator[str]:
    """The absolute names that a module imports anywhere, in functions and under TYPE_CHECKING too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = module.split(".")[: None if is_package and node.level == 1 else -node.level + is_package]
                base = ".".join(parents + ([base] if base else []))
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _level(name: str) -> int | None:
    matches = [prefix for prefix in _LEVELS if f"{name}.".startswith(f"{prefix}.")]
    return _LEVELS[max(matches, key=len)] if matches else None


def violation(module: str, imported: str) -> str:
    """Why `module` may not import `imported`; empty where it may."""
    top = imported.split(".")[0]
    if top in ("tests", "evaluation"):
        return "nobody imports tests or evaluation"
    if top not in _PACKAGES:
        return ""
    family = next((f for f in _FAMILIES if f"{module}.".startswith(f"{f}.")), None)
    if family:
        allowed = top == "cntr_core" or f"{imported}.".startswith(f"{family}.")
        return "" if allowed else f"{family} imports cntr_core and itself only"
    if top != "cntr_core":
        return "the core imports no plugin and no slimmer"
    own, other = _level(module), _level(imported)
    if own is not None and other is not None and other > own:
        return f"level {own} may not import level {other}"
    return ""


_ALL = sorted(_modules())


@pytest.mark.parametrize(("module", "path"), _ALL, ids=[name for name, _ in _ALL])
def test_imports_follow_the_layers(module: str, path: str) -> None:
    with open(path, encoding="utf-8") as file:
        names = set(imports(module, file.read(), path.endswith("__init__.py")))
    found = {name: reason for name in sorted(names) if (reason := violation(module, name))}
    assert not found


@pytest.mark.parametrize("module", [name for name, _ in _ALL if name.startswith("cntr_core.")])
def test_every_module_of_the_core_has_a_level(module: str) -> None:
    assert _level(module) is not None, f"give {module} a level"


@pytest.mark.parametrize(
    ("module", "source", "package", "expected"),
    [
        ("cntr_core.kernel.mounts", "from .syscall import Syscall", False, ["cntr_core.kernel.syscall.Syscall"]),
        ("cntr_core.kernel.mounts", "from ..errors import X", False, ["cntr_core.errors.X"]),
        ("cntr_core.kernel", "from . import syscall", True, ["cntr_core.kernel.syscall"]),
        ("cntr_core.kernel", "from ..types import X", True, ["cntr_core.types.X"]),
        ("cntr_core.engine", "def f():\n  import a.b, c", False, ["a.b", "c"]),
    ],
)
def test_relative_imports_are_resolved(module: str, source: str, package: bool, expected: list[str]) -> None:
    assert list(imports(module, source, package)) == expected


@pytest.mark.parametrize(
    ("module", "imported"),
    [
        ("cntr_core.errors", "cntr_core.types.Container"),
        ("cntr_core.kernel.mounts", "cntr_core.session.plan"),
        ("cntr_core.session.plan", "cntr_core.cli.main"),
        ("cntr_core.session.plan", "cntr_plugins.engines.docker"),
        ("cntr_plugins.engines.docker", "cntr_plugins.fs.kernel"),
        ("cntr_plugins.fs.kernel", "cntr_slimmer.rules"),
        ("cntr_slimmer.rules", "cntr_plugins.fs.kernel"),
        ("cntr_core.plugins", "tests.support.images"),
    ],
)
def test_a_violation_is_recognised(module: str, imported: str) -> None:
    assert violation(module, imported)
