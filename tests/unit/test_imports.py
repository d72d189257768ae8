"""Who may import whom (docs: the design's layers), read from the sources without importing them."""

from __future__ import annotations

import ast
import importlib
import os
from collections.abc import Iterator

import pytest

_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_PACKAGES = {"cntr_core": "cntr_core", "cntr_plugins": "plugins", "cntr_slimmer": "slimmer"}

# A module imports from its own entry and from those above it here, so there is no circle. The longest prefix counts.
_ORDER = (
    "cntr_core.lazily",
    "cntr_core.dataclass",
    "cntr_core.errors",
    "cntr_core.reasons",
    "cntr_core.debugging",
    "cntr_core.timing",
    "cntr_core.version",
    "cntr_core.labels",
    "cntr_core.leftovers",
    "cntr_core.json_text",
    "cntr_core.types",
    "cntr_core.kernel",
    "cntr_core.room",
    "cntr_core.kept",
    "cntr_core.engine.base",
    "cntr_core.engine.tracing",
    "cntr_core.engine.process",
    "cntr_core.engine.query",
    "cntr_core.engine.search",
    "cntr_core.engine.waiting",
    "cntr_core.engine",
    "cntr_core.filesystem",
    "cntr_core.rules",
    "cntr_core.entry_points",
    "cntr_core.marks",
    "cntr_core.hookspecs",
    "cntr_core.plugins",
    "cntr_core.images",
    "cntr_core.toolbox",
    "cntr_core.runtime.image_user",
    "cntr_core.runtime.seccomp",
    "cntr_core.runtime.seccomp_profile",
    "cntr_core.runtime.confinement",
    "cntr_core.runtime.container_mounts",
    "cntr_core.runtime.config_json",
    "cntr_core.runtime.bundle",
    "cntr_core.runtime.log",
    "cntr_core.runtime.collector",
    "cntr_core.runtime",
    "cntr_core.session.root_layout",
    "cntr_core.session.layer",
    "cntr_core.session.host_tree",
    "cntr_core.session.host_programs",
    "cntr_core.session.skeleton",
    "cntr_core.session.oci_bundle",
    "cntr_core.session.target",
    "cntr_core.session.privileges",
    "cntr_core.session.accounts",
    "cntr_core.session.gate",
    "cntr_core.session.environment",
    "cntr_core.session.container_filter",
    "cntr_core.session.identity",
    "cntr_core.session.tools",
    "cntr_core.session.merged_root",
    "cntr_core.session.steps",
    "cntr_core.session.root_steps",
    "cntr_core.session.command",
    "cntr_core.session.plan",
    "cntr_core.session.reaper",
    "cntr_core.session.builder",
    "cntr_core.session.hidden",
    "cntr_core.session.title",
    "cntr_core.session.members",
    "cntr_core.session.guard",
    "cntr_core.session.monitor",
    "cntr_core.session.pipes",
    "cntr_core.session.relay",
    "cntr_core.session.heard",
    "cntr_core.session.proxy",
    "cntr_core.session.deadlines",
    "cntr_core.session.keyboard",
    "cntr_core.session.memory",
    "cntr_core.session.state",
    "cntr_core.session.supervisor",
    "cntr_core.session.attach",
    "cntr_core.session.placeholder",
    "cntr_core.session.throwaway",
    "cntr_core.session",
    "cntr_core.copying",
    "cntr_core.testing",
    "cntr_core.cli",
)
_LEVELS = {name: level for level, name in enumerate(_ORDER)}
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
        ("cntr_core.engine.base", "cntr_core.engine.search.find"),
        ("cntr_core.engine.query", "cntr_core.engine.Engine"),
        ("cntr_core.session.command", "cntr_core.session.monitor.run_monitor"),
        ("cntr_core.session.plan", "cntr_plugins.engines.docker"),
        ("cntr_plugins.engines.docker", "cntr_plugins.fs.kernel"),
        ("cntr_plugins.fs.kernel", "cntr_slimmer.rules"),
        ("cntr_slimmer.rules", "cntr_plugins.fs.kernel"),
        ("cntr_core.plugins", "tests.support.images"),
    ],
)
def test_a_violation_is_recognised(module: str, imported: str) -> None:
    assert violation(module, imported)


@pytest.mark.parametrize("package", ["cntr_core", "cntr_core.images", "cntr_core.runtime"])
def test_a_package_has_every_name_that_it_shows(package: str) -> None:
    module = importlib.import_module(package)
    assert all(getattr(module, name) is not None for name in module.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        module.nothing  # noqa: B018 - asking is the test
