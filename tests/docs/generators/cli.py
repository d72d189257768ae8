"""The page docs/reference/cli.md: the help of every command, as the program prints it.

python -m tests.docs.generators.cli     writes the page again, and the manual pages with it
"""

from __future__ import annotations

import os
import subprocess

from tests.docs.generators import man
from tests.support.cntr import PROGRAM, environment

PAGE = os.path.join(os.path.dirname(__file__), "..", "..", "..", "docs", "reference", "cli.md")
COMMANDS = (
    "",
    "attach",
    "exec",
    "cp",
    "list",
    "engines",
    "plugins",
    "doctor",
    "run",
    "stop",
    "slim",
    "join",
    "verify",
    "diff",
    "why",
    "trace",
    "trace run",
    "trace show",
    "trace merge",
    "trace diff",
    "schema",
    "toolbox",
    "toolbox build",
)

HEAD = """# Command line

What `--help` says; a test keeps this page equal to it.
"""


def help_of(command: str) -> str:
    """What ``cntr COMMAND --help`` prints on a wide, plain terminal."""
    env = environment({"COLUMNS": "116", "TERM": "dumb", "NO_COLOR": "1", "TERMINAL_WIDTH": "116", "PATH": "/nowhere"})
    line = [PROGRAM, *command.split(), "--help"]
    printed = subprocess.run(line, check=True, capture_output=True, env=env, timeout=60).stdout.decode()
    return "\n".join(text.rstrip() for text in printed.splitlines()).strip("\n")


def page() -> str:
    """The whole page."""
    sections = (f"## cntr {command}".rstrip() + f"\n\n```text\n{help_of(command)}\n```\n" for command in COMMANDS)
    return "\n".join([HEAD, *sections])


if __name__ == "__main__":
    with open(PAGE, "w") as file:
        file.write(page())
    man.write()
