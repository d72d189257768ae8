"""Help texts begin with a verb and end with a full stop: of every command, argument and option."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import typer.main

from cntr_core.cli.app import build

VERBS = frozenset(
    """
    Add Allow Also Ask Attach Check Choose Compare Compress Connect Copy Discard Do Drive End Explain Forward Give
    Ignore Install Join Keep Leave Let Limit List Make Merge Mount Name Open Pass Print Publish Read Rebuild Record
    Refuse Remove Return Run Serve Set Show Slim Split Start Stay Stop Take Use Verify Wait Write
    """.split()  # noqa: SIM905 - a list with a line for each would be longer than the test
)
"""And an adverb that may stand before one."""


def _commands() -> Iterator[tuple[str, Any]]:
    """Every command, with its name."""
    pending = [("cntr", typer.main.get_command(build()))]
    while pending:
        name, command = pending.pop()
        yield name, command
        pending += [(f"{name} {word}", inner) for word, inner in getattr(command, "commands", {}).items()]


COMMANDS = sorted(_commands(), key=lambda each: each[0])
PARAMETERS = [(f"{name} {each.opts[0]}", each) for name, command in COMMANDS for each in command.params]
TEXTS = [(name, command.help) for name, command in COMMANDS] + [(name, each.help) for name, each in PARAMETERS]


def test_all_commands_are_seen() -> None:
    assert {"cntr attach", "cntr run", "cntr slim", "cntr trace diff"} <= {name for name, _ in TEXTS}


@pytest.mark.parametrize(("name", "text"), TEXTS, ids=[name for name, _ in TEXTS])
def test_a_help_text_begins_with_a_verb_and_ends(name: str, text: str) -> None:
    assert text.split()[0] in VERBS, f"{name}: {text}"
    assert text.endswith("."), f"{name}: {text}"


VALUES = [(name, each) for name, each in PARAMETERS if name.split()[-1].startswith("-") and not each.is_flag]


@pytest.mark.parametrize(("name", "option"), VALUES, ids=[name for name, _ in VALUES])
def test_the_value_of_an_option_has_a_name_or_its_choices_and_seconds_are_called_so(name: str, option: Any) -> None:
    assert option.metavar or hasattr(option.type, "choices"), name
    assert ("seconds" in option.help) == (option.metavar == "SECONDS"), f"{name}: {option.help}"
