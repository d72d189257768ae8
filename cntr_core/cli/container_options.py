"""The options that say how the first process of a new container starts, for the commands that start one."""

from __future__ import annotations

from typing import Annotated

import typer

from ..errors import UsageError

USER = typer.Option("--user", "-u", metavar="USER[:GROUP]", help="Run as this user of the image instead of its own.")
WORKDIR = typer.Option("--workdir", "-w", metavar="PATH", help="Start in this directory of the container.")
ENTRYPOINT = typer.Option(
    "--entrypoint", metavar="COMMAND", help="Run this instead of the image's ENTRYPOINT and CMD; empty for none."
)
MOUNT = typer.Option(
    "--mount",
    metavar="WORDS",
    help="Mount a file, a directory or memory: type=bind,source=PATH,target=PATH[,readonly] or type=tmpfs,target=PATH. "
    "Repeatable.",
)
VOLUME = typer.Option(
    "--volume", "-v", metavar="SOURCE:TARGET[:ro]", help="Mount a file or a directory of this machine. Repeatable."
)
User = Annotated[str, USER]
Workdir = Annotated[str, WORKDIR]
Entrypoint = Annotated[str | None, ENTRYPOINT]
Mount = Annotated[list[str] | None, MOUNT]
Volume = Annotated[list[str] | None, VOLUME]


def checked_workdir(path: str) -> str:
    """`path` of ``--workdir``; :raises UsageError: it is not absolute."""
    if path and not path.startswith("/"):
        raise UsageError(f"--workdir takes an absolute path, not '{path}'", "begin it with /")
    return path


def entrypoint_of(word: str | None) -> tuple[str, ...] | None:
    """What ``--entrypoint`` asks for: None for the image's own, nothing for none."""
    return (word,) * bool(word) if word is not None else None
