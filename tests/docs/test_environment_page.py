"""The page of environment variables names those that the code reads, and no others."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.support.reachable import ROOT

PAGE = ROOT / "docs/reference/environment.md"
NAME = re.compile(r"_?[A-Z][A-Z0-9_]{3,}")
OWN = re.compile(r"_CNTR_READ_ONLY|_CNTR_COMPLETE_KEPT|CNTR_CONTRACT|COMP_WORDS|COMP_CWORD|LC_ALL")
"""What cntr tells itself, its tests, or a shell's completion, and what it sets alone."""
THEIRS = {"COLUMNS", "KUBECONFIG", "HTTPS_PROXY", "SSL_CERT_FILE"}
"""What libraries and programs read that cntr uses."""


def _read() -> Iterator[str]:
    for path in _sources():
        yield from _read_by(path)


def _read_by(path: Path) -> Iterator[str]:
    text = path.read_text()
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Attribute(attr="environ"), attr="get"), args=[first, *_]):
                yield from _name(first)
            case ast.Subscript(value=ast.Attribute(attr="environ"), slice=index):
                yield from _name(index)
            case ast.keyword(arg="envvar", value=value):
                yield from _name(value)
            case ast.Call(func=ast.Name(id="own_directory" | "first_socket"), args=arguments):
                for each in arguments:
                    yield from _name(each)
            case ast.AnnAssign(target=ast.Name(id="variable"), value=ast.expr() as value):
                yield from _name(value)
            case ast.Assign(value=value) | ast.AnnAssign(value=ast.expr() as value) if "environ" in text:
                yield from _name(value)


def _name(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and NAME.fullmatch(node.value):
        yield node.value


def test_the_page_names_what_the_code_reads_and_nothing_else() -> None:
    told = set(re.findall(r"^\| `(\w+)`", PAGE.read_text(), re.MULTILINE))
    read = {name for name in _read() if not OWN.fullmatch(name)}
    assert read - told == set(), "not on the page"
    sources = "".join(path.read_text() for path in _sources())
    assert {name for name in told if f'"{name}"' not in sources} == THEIRS


def _sources() -> Iterator[Path]:
    for directory in ("cntr_core", "plugins", "slimmer"):
        yield from (ROOT / directory).rglob("*.py")
