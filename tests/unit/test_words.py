"""Messages keep one style: an error is one sentence, a hint is a command or a phrase in lower case without a full stop.

Read from the source: what a call gives as a literal (or as a constant of the module) is looked at.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from cntr_core import errors

ROOT = Path(__file__).parents[2]
MODULES = sorted(path for folder in ("cntr_core", "plugins", "slimmer") for path in (ROOT / folder).rglob("*.py"))
ERRORS = {name for name, value in vars(errors).items() if isinstance(value, type)}
HINTS = {"hint", "remedy"}


@dataclass(frozen=True)
class Said:
    """A literal text of an error, where it stands, and whether it is its hint."""

    where: str
    text: str
    is_hint: bool


def _texts(node: ast.expr, constants: dict[str, ast.expr]) -> Iterator[str]:
    """Each text that an expression may be, with ``…`` where a value is filled in."""
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr(values=parts):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in parts)
        case ast.IfExp(body=one, orelse=other):
            yield from (*_texts(one, constants), *_texts(other, constants))
        case ast.BoolOp(values=values):
            for value in values:
                yield from _texts(value, constants)
        case ast.BinOp(left=left, op=ast.Add()):
            for text in _texts(left, constants):
                yield text + "…"
        case ast.Name(id=name) if name in constants:
            yield from _texts(constants[name], {})


def _said(path: Path) -> Iterator[Said]:
    tree = ast.parse(path.read_text())
    ours = ERRORS | {n.name for n in ast.walk(tree) if isinstance(n, ast.ClassDef) and _bases(n) & ERRORS}
    constants = {
        target.id: node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        is_error = ast.unparse(node.func).rpartition(".")[2] in ours | {"Missing"}
        message, hint = (*node.args, None, None)[:2] if is_error else (None, None)
        if ast.unparse(node.func) == "EngineStatus":
            hint = (*node.args, None, None, None)[2]
        hints = [hint, *(keyword.value for keyword in node.keywords if keyword.arg in HINTS)]
        for value, is_hint in ((message, False), *((each, True) for each in hints)):
            for text in _texts(value, constants) if value else ():
                yield Said(f"{path.relative_to(ROOT)}:{node.lineno}", text, is_hint)


def _bases(node: ast.ClassDef) -> set[str]:
    return {ast.unparse(base).rpartition(".")[2] for base in node.bases}


ALL = [said for path in MODULES for said in _said(path)]


def test_the_messages_are_found() -> None:
    assert sum(said.is_hint for said in ALL) > 150
    assert sum(not said.is_hint for said in ALL) > 250


def _is_lower(text: str) -> bool:
    """Whether it begins in lower case, or by a name that does not: ``CNTR_COMMAND``, ``Linux`` …"""
    first = text.split()[0] if text.split() else ""
    return not first[:1].isupper() or first.isupper() or "_" in first


@pytest.mark.parametrize("said", [said for said in ALL if said.is_hint], ids=lambda said: said.where)
def test_a_hint_is_a_phrase_without_a_full_stop(said: Said) -> None:
    assert _is_lower(said.text), f"{said.where}: {said.text}"
    assert not said.text.endswith((".", "!")) and not re.search(r"\w\. ", said.text), f"{said.where}: {said.text}"


@pytest.mark.parametrize("said", [said for said in ALL if not said.is_hint], ids=lambda said: said.where)
def test_an_error_is_one_sentence_without_a_full_stop(said: Said) -> None:
    assert not said.text.endswith((".", "!")) and not re.search(r"\w\. ", said.text), f"{said.where}: {said.text}"
    assert _is_lower(said.text), f"{said.where}: {said.text}"


_OF_PLUGINS = {
    "cntr_core/plugins.py",
    "cntr_core/cli/diagnosis.py",
    "cntr_core/engine/query.py",
    "slimmer/rules/closure.py",
}
"""What a stranger's plugin raises is told as it is: its author needs it."""
_OUR_OWN = {
    "cntr_core/kernel/channel.py",  # what nobody expected: for the report of a bug
    "cntr_core/cli/output.py",
    "cntr_core/session/plan.py",  # a capability's name
    "slimmer/commands/trace.py",  # traces of different images
    "plugins/engines/docker/tracing.py",  # docker's words on its own ports
    "cntr_core/images/write/atomic.py",  # only where the system gives no words
}


def _as_python_tells(path: Path) -> Iterator[str]:
    """Exceptions that a text shows as they are: ``{error}``, ``{error!r}``, ``{type(error).__name__}``."""
    for handler in ast.walk(ast.parse(path.read_text())):
        if isinstance(handler, ast.ExceptHandler) and handler.name:
            told = {handler.name, f"type({handler.name}).__name__", f"str({handler.name})"}
            for node in ast.walk(handler):
                if isinstance(node, ast.FormattedValue) and ast.unparse(node.value) in told:
                    yield f"{path.relative_to(ROOT)}:{node.lineno}"


def test_no_text_shows_an_exception_as_python_does() -> None:
    known = _OF_PLUGINS | _OUR_OWN
    modules = [path for path in MODULES if str(path.relative_to(ROOT)) not in known]
    assert [where for path in modules for where in _as_python_tells(path)] == []
