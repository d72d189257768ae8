"""The promises of docs/explanation/security.md: each names tests that exist, and each kept attack belongs to one."""

from __future__ import annotations

import ast
import re
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]
_PAGE = _ROOT / "docs/explanation/security.md"
_TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def _functions(path: Path) -> set[str]:
    return {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)}


def _promises() -> list[str]:
    rows = [line for line in _PAGE.read_text().splitlines() if line.startswith("| ")]
    return [row for row in rows if not row.startswith("| promise")]


def test_each_promise_names_tests_that_exist() -> None:
    for promise in _promises():
        named = _TEST.findall(promise)
        assert named, f"no test: {promise}"
        for path, name in named:
            assert name in _functions(_ROOT / path), f"{path} has no {name}"


def test_each_attack_that_is_kept_belongs_to_a_promise() -> None:
    named = {path for path, _ in _TEST.findall(_PAGE.read_text())}
    attacks = {str(path.relative_to(_ROOT)) for path in (_ROOT / "tests/hostile").glob("test_*.py")}
    assert attacks <= named, f"without a promise: {sorted(attacks - named)}"
