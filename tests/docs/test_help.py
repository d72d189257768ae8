"""Help texts begin with a verb and end with a full stop: of every command, argument and option."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import typer.main

from cntr_core.cli.app import build

VERBS = frozenset(
    """
    Add Allow Also Ask Attach Check Choose Compare Compress Connect Discard Do Drive End Explain Forward Give Ignore
    Install Join Keep Leave Let List Make Merge Mount Name Open Pass Print Publish Read Rebuild Record Remove Return Run
    Serve Set Show Split Start Stay Stop Take Use Verify Wait Write
    """.split()  # noqa: SIM905 - a list with a line for each would be longer than the test
)
"""And an adverb that may stand before one."""


def _texts() -> Iterator[tuple[str, str]]:
    """Each help text, with the command and the parameter that it is about."""
    pending = [("cntr", typer.main.get_command(build()))]
    while pending:
        name, command = pending.pop()
        yield name, command.help or ""
        for parameter in command.params:
            yield f"{name} {parameter.opts[0]}", getattr(parameter, "help", None) or ""
        pending += [(f"{name} {word}", inner) for word, inner in getattr(command, "commands", {}).items()]


TEXTS = sorted(_texts())


def test_all_commands_are_seen() -> None:
    assert {"cntr attach", "cntr run", "cntr slim", "cntr trace diff"} <= {name for name, _ in TEXTS}


@pytest.mark.parametrize(("name", "text"), TEXTS, ids=[name for name, _ in TEXTS])
def test_a_help_text_begins_with_a_verb_and_ends(name: str, text: str) -> None:
    assert text.split()[0] in VERBS, f"{name}: {text}"
    assert text.endswith("."), f"{name}: {text}"
