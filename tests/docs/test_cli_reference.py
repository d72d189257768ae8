"""The reference of the command line cannot lie."""

import re

from tests.docs.generators.cli import COMMANDS, PAGE, help_of, page


def test_the_page_equals_what_the_program_says() -> None:
    with open(PAGE) as file:
        assert file.read() == page(), "run: python -m tests.docs.generators.cli"


def test_the_page_has_every_command() -> None:
    listed = re.findall(r"^│ (\w+) ", help_of("").partition("Commands")[2], re.MULTILINE)
    assert set(listed) == {command.split()[0] for command in COMMANDS if command}
