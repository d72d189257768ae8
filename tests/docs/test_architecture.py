"""The page on the architecture says what the code does: its folders, and its two walks from module to module."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.unit.test_imports import imports

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "explanation" / "architecture.md").read_text()
PACKAGES = {"cntr_core": "cntr_core", "plugins": "cntr_plugins", "slimmer": "cntr_slimmer"}
FORKS = {"fork", "ForkedCall", "cleanup_process", "background"}
"""Functions and classes by which a module has something done in another process."""


@dataclass(frozen=True)
class Line:
    """One line of a walk."""

    number: int
    origin: str
    process: str
    module: str

    @property
    def name(self) -> str:
        """The module's dotted name."""
        folder, _, rest = self.module.removesuffix(".py").removesuffix("/__init__").partition("/")
        return ".".join([PACKAGES[folder], *filter(None, rest.split("/"))])

    def tree(self) -> ast.Module:
        return ast.parse((ROOT / self.module).read_text())


def _walk(title: str) -> list[Line]:
    section = PAGE.partition(f"## Walk {title}")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (\d+) \| (\S+) \| ([^|]+) \| `([^`]+)` \| [^|]+ \|$", section, re.MULTILINE)
    return [Line(int(number), *rest) for number, *rest in rows]


WALKS = {title: _walk(title) for title in ("1", "2")}
LINES = [pytest.param(walk, line, id=f"{title}-{line.number}") for title, walk in WALKS.items() for line in walk]


def _reached(line: Line) -> Iterator[str]:
    """The modules whose names a module imports, also by way of a package that hands them on."""
    for name in imports(line.name, (ROOT / line.module).read_text(), line.module.endswith("__init__.py")):
        package, _, last = name.rpartition(".")
        yield from (name, package)
        folder = {inner: outer for outer, inner in PACKAGES.items()}.get(package.split(".")[0])
        surface = ROOT / "/".join([folder or "", *package.split(".")[1:], "__init__.py"])
        if folder and surface.is_file():
            for handed in imports(package, surface.read_text(), True):
                if handed.endswith(f".{last}"):
                    yield handed.rpartition(".")[0]


def _called(tree: ast.Module) -> set[str]:
    return {
        ast.unparse(node.func).split("[")[0].rpartition(".")[2] for node in ast.walk(tree) if isinstance(node, ast.Call)
    } | {
        ast.unparse(base).split("[")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        for base in node.bases
    }


def test_every_folder_is_on_the_map() -> None:
    table = PAGE.partition("## The folders")[2].partition("\n## ")[0]
    folders = [str(path.parent.relative_to(ROOT)) for top in PACKAGES for path in (ROOT / top).rglob("__init__.py")]
    assert re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE) == sorted(folders)


@pytest.mark.parametrize(("title", "least"), [("1", 20), ("2", 30)])
def test_a_walk_is_numbered_in_order(title: str, least: int) -> None:
    walk = WALKS[title]
    assert [line.number for line in walk] == list(range(1, len(walk) + 1)) and len(walk) >= least


@pytest.mark.parametrize(("walk", "line"), LINES)
def test_a_line_is_reached_from_an_earlier_one(walk: list[Line], line: Line) -> None:
    assert (ROOT / line.module).is_file()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    if line.origin == "start":
        assert project["scripts"]["cntr"] == f"{line.name}:main"
    elif line.origin == "plugin":
        assert line.name in [point.partition(":")[0] for point in project["entry-points"]["cntr"].values()]
    else:
        origin = walk[int(line.origin) - 1]
        assert origin.number < line.number
        assert origin.module == line.module or line.name in set(_reached(origin))


@pytest.mark.parametrize(("walk", "line"), LINES)
def test_a_new_process_is_started_by_a_module_that_forks(walk: list[Line], line: Line) -> None:
    if line.process in {earlier.process for earlier in walk[: line.number - 1]} or line.origin == "start":
        return
    starters = [walk[line.number - 2]] if line.origin == "plugin" else [walk[int(line.origin) - 1], line]
    assert line.number == 1 or any(FORKS & _called(starter.tree()) for starter in starters)
