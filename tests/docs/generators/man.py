"""The manual pages packaging/man/*.1: a page for each command, of the same tree as ``--help``.

python -m tests.docs.generators.man     writes them again, as tests.docs.generators.cli does
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any

import typer.main
from rich.text import Text

from cntr_core.cli.app import build

ROOT = os.path.join(os.path.dirname(__file__), "..", "..", "..")
FOLDER = os.path.join(ROOT, "packaging", "man")
_VARIABLES = os.path.join(ROOT, "docs", "reference", "environment.md")
_CODES = (
    ("0 to 124", "The command's own; of diff, verify, why and trace diff 1 where the answer is no."),
    ("125", "An error of cntr: the message on standard error is one sentence and a hint."),
    ("126, 127", "The command of a session cannot be executed, or was not found."),
    ("128+n", "Signal n ended it; 130 is Ctrl-C."),
)


def pages() -> dict[str, str]:
    """The pages by their files' names."""
    tree = typer.main.get_command(build())
    found = dict(_commands(tree, ("cntr",)))
    return {f"{'-'.join(words)}.1": _page(words, command, found) for words, command in found.items()}


Words = tuple[str, ...]


def _commands(command: Any, words: Words) -> Iterator[tuple[Words, Any]]:
    yield words, command
    for name, below in getattr(command, "commands", {}).items():
        if not below.hidden:
            yield from _commands(below, (*words, name))


def _page(words: Words, command: Any, found: dict[Words, Any]) -> str:
    root = typer.Context(found[words[:1]], info_name="cntr", help_option_names=["-h", "--help"])
    context = typer.Context(command, parent=root, info_name=" ".join(words)) if words[1:] else root
    first, *more = _plain(command.help or "").split("\n\n")
    lines = [
        '.\\" Made by tests/docs/generators/man.py.',
        f'.TH {"-".join(words).upper()} 1 "" "cntr" "User Commands"',
        ".SH NAME",
        f"{'-'.join(words)} \\- {_text(first.strip().rstrip('.'))}",
        ".SH SYNOPSIS",
        f".B {' '.join(words)}",
        _text(" ".join(command.collect_usage_pieces(context))),
        ".SH DESCRIPTION",
        _paragraphs([first, *more]),
        *_parameters(command, context),
        *_below(words, found),
        *(_environment() if len(words) == 1 else ()),
        ".SH EXIT STATUS",
        *(f".TP\n{code}\n{_text(meaning)}" for code, meaning in _CODES),
        ".SH SEE ALSO",
        _others(words, found),
    ]
    return "\n".join(lines) + "\n"


def _parameters(command: Any, context: typer.Context) -> Iterator[str]:
    """Arguments, then options by their panels, as ``--help`` shows them."""
    panels: dict[str, list[str]] = {}
    for parameter in command.get_params(context):
        if getattr(parameter, "hidden", False) or (record := parameter.get_help_record(context)) is None:
            continue
        title = "Arguments" if parameter.param_type_name == "argument" else parameter.rich_help_panel or "Options"
        panels.setdefault(title, []).append(f".TP\n{_text(record[0], bold=True)}\n{_text(_described(record[1]))}")
    if panels:
        yield ".SH OPTIONS"
    for title, entries in sorted(panels.items(), key=lambda panel: panel[0] != "Arguments"):
        yield from ([f".SS {_text(title)}"] if len(panels) > 1 else [])
        yield from entries


def _described(help_text: str) -> str:
    """The help, and what typer says of the default, which is no mark of rich's."""
    text, separator, default = help_text.rpartition("  [")
    return f"{_plain(text)}{separator}{default}" if separator else _plain(help_text)


def _below(words: Words, found: dict[Words, Any]) -> Iterator[str]:
    """The commands of a group, with their first sentences."""
    commands = [each for each in found if each[:-1] == words]
    if commands:
        yield ".SH COMMANDS"
    for each in commands:
        first, *_ = _plain(found[each].help or "").split("\n\n")
        yield f".TP\n\\fB{_text('-'.join(each))}\\fR(1)\n{_text(first)}"


def _environment() -> Iterator[str]:
    """cntr's own variables, of the page that names all."""
    with open(_VARIABLES, encoding="utf-8") as file:
        table = file.read().partition("## cntr's own")[2].partition("\n## ")[0]
    yield ".SH ENVIRONMENT"
    for name, meaning in re.findall(r"^\| `(\w+)` \| (.*) \|$", table, re.MULTILINE):
        said = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", meaning).replace("`", "")
        yield f".TP\n\\fB{name}\\fR\n{_text(said)}"


def _others(words: Words, found: dict[Words, Any]) -> str:
    near = [each for each in found if each != words and (len(each) < 3 or each[:-1] == words or each[:2] == words[:2])]
    return ",\n".join(f".BR {_text('-'.join(each))} (1)" for each in near).replace(",\n", " ,\n")


def _plain(help_text: str) -> str:
    """Help without rich's marks."""
    return Text.from_markup(help_text).plain


def _paragraphs(texts: list[str]) -> str:
    return "\n.PP\n".join(_text(text) for text in texts)


def _text(text: str, *, bold: bool = False) -> str:
    """Words as roff(7) takes them: a backslash and a hyphen mean themselves, and no line is a request."""
    plain = " ".join(text.split()).replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
    safe = f"\\&{plain}" if plain.startswith((".", "\\(aq")) else plain
    return f"\\fB{safe}\\fR" if bold else safe


def write() -> None:
    """Write all pages, and remove those of commands that are gone."""
    os.makedirs(FOLDER, exist_ok=True)
    made = pages()
    for name in set(os.listdir(FOLDER)) - made.keys():
        os.unlink(os.path.join(FOLDER, name))
    for name, page in made.items():
        with open(os.path.join(FOLDER, name), "w", encoding="utf-8") as file:
            file.write(page)


if __name__ == "__main__":
    write()
