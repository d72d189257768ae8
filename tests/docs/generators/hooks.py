"""Renders docs/reference/hooks.md from the sources: ``python -m tests.docs.generators.hooks`` writes it."""

from __future__ import annotations

import ast
import inspect
import os
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = os.fspath(Path(__file__).resolve().parents[3])
HOOKS = "docs/reference/hooks.md"

_INTRODUCTION = """\
# Hooks and interfaces

The contract between cntr and its plugins, rendered from the docstrings of `cntr_core`
(`python -m tests.docs.generators.hooks` writes this page, and a test compares it). Everything here is imported from
`cntr_core`; what is not named here is no part of the contract.
"""


def parse(path: str) -> ast.Module:
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return ast.parse(file.read())


def hooks() -> dict[str, ast.FunctionDef]:
    """The hook specifications, by name."""
    module = parse("cntr_core/hookspecs.py")
    return {node.name: node for node in module.body if isinstance(node, ast.FunctionDef)}


def render() -> str:
    """The whole page."""
    parts = [_INTRODUCTION, "## Plugins\n", _prose(ast.get_docstring(parse("cntr_core/hookspecs.py")) or "")]
    parts.append("## Hooks\n")
    for function in hooks().values():
        parts += _function(function, "###")
    for path, name in (
        ("cntr_core/engine/base.py", "Engine"),
        ("cntr_core/filesystem/backend.py", "Filesystem"),
        ("cntr_core/rules.py", "Rule"),
    ):
        parts += _class(path, name)
    for path, name in (
        ("cntr_core/types.py", "Container"),
        ("cntr_core/types.py", "ContainerState"),
        ("cntr_core/types.py", "EngineStatus"),
        ("cntr_core/types.py", "Missing"),
        ("cntr_core/engine/tracing.py", "TracingEngine"),
        ("cntr_core/engine/tracing.py", "ShimEntry"),
        ("cntr_core/engine/tracing.py", "TracingOptions"),
        ("cntr_core/engine/tracing.py", "TracedContainer"),
        ("cntr_core/filesystem/backend.py", "MountRequest"),
        ("cntr_core/filesystem/backend.py", "ServedMount"),
        ("cntr_core/filesystem/backend.py", "DirectoryTree"),
        ("cntr_core/filesystem/backend.py", "PartialTree"),
        ("cntr_core/filesystem/part.py", "Part"),
        ("cntr_core/filesystem/backend.py", "Observer"),
        ("cntr_core/filesystem/backend.py", "AccessEvent"),
        ("cntr_core/rules.py", "Profile"),
        ("cntr_core/rules.py", "RuleContext"),
        ("cntr_core/rules.py", "Keep"),
        ("cntr_core/rules.py", "LeftOut"),
        ("cntr_core/rules.py", "ImageView"),
        ("cntr_core/rules.py", "Found"),
    ):
        parts += _class(path, name)
    return "\n".join(part.rstrip("\n") + "\n" for part in parts)


def _class(path: str, name: str) -> Iterator[str]:
    [node] = [n for n in ast.walk(parse(path)) if isinstance(n, ast.ClassDef) and n.name == name]
    yield f"## {name}\n"
    yield _prose(ast.get_docstring(node) or "")
    attributes = [ast.unparse(child) for child in node.body if isinstance(child, (ast.Assign, ast.AnnAssign))]
    if attributes:
        yield "```python\n" + "\n".join(attributes) + "\n```\n"
    for before, after in zip(node.body, node.body[1:], strict=False):
        if isinstance(before, ast.AnnAssign) and isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            yield _prose(f"`{ast.unparse(before.target)}`: {after.value.value}")
    for child in node.body:
        if isinstance(child, ast.FunctionDef) and not child.name.startswith("_"):
            yield from _function(child, "###")


def _function(node: ast.FunctionDef, heading: str) -> Iterator[str]:
    yield f"{heading} {node.name}\n"
    yield f"```python\n{signature(node)}\n```\n"
    yield _prose(ast.get_docstring(node) or "")


def signature(node: ast.FunctionDef) -> str:
    """The first line of a function, with what its decorators say about how it is called."""
    decorators = {ast.unparse(decorator) for decorator in node.decorator_list}
    kept = [f"@{name}\n" for name in ("property", "abstractmethod", "classmethod") if name in decorators]
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"{''.join(kept)}def {node.name}({ast.unparse(node.args)}){returns}"


def _prose(docstring: str) -> str:
    """A docstring in Markdown: roles and literals become code, ``:raises X:`` an item, ``::`` a code block."""
    text = inspect.cleandoc(docstring)
    text = re.sub(r":[a-z]+:`~?([^`]+)`", r"`\1`", text).replace("``", "`")
    text = re.sub(r"^:raises ([\w, ]+):", r"- raises `\1`:", text, flags=re.MULTILINE)
    return re.sub(r"::$", ":", text, flags=re.MULTILINE) + "\n"


if __name__ == "__main__":
    with open(os.path.join(ROOT, HOOKS), "w", encoding="utf-8") as page:
        page.write(render())
