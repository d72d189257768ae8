"""Plain calls: ``cntr attach NAME [COMMAND …]`` and ``cntr exec NAME COMMAND …``, without an option of ours.

They are what people and scripts call most, and need no parser: typer and the tree of commands are a third of a call's
time. Whatever is not plain at first sight is typer's, whose reading of the plain calls is the same (a test compares).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

_STAND_FOR_OPTIONS = {"CNTR_FS", "CNTR_HELPER_IMAGE", "CNTR_DEBUG", "_CNTR_COMPLETE"}
"""Variables that say what options would, or ask for completion."""


class PlainCall(NamedTuple):
    """The words of a plain call."""

    command: str
    container: str
    words: list[str]


def read(words: Sequence[str], environment: Mapping[str, str]) -> PlainCall | None:
    """What `words` call, if that is plain.

    >>> read(["exec", "web", "ls", "-l"], {})
    PlainCall(command='exec', container='web', words=['ls', '-l'])
    >>> read(["exec", "-u", "0", "web", "ls"], {})
    """
    if len(words) < 2 or words[0] not in ("attach", "exec") or not _STAND_FOR_OPTIONS.isdisjoint(environment):
        return None
    command, container, *rest = words
    if not container or container.startswith("-"):
        return None
    if rest and rest[0] == "--":
        del rest[0]
    elif rest and rest[0].startswith("-"):
        return None
    return PlainCall(command, container, rest) if rest or command == "attach" else None


def run(call: PlainCall) -> int:
    """The exit code of `call`; :raises CntrError: as the command."""
    from . import attach as commands
    from .session_options import Inside, InsideAlone, Session, Tools
    from .stream_options import Streams

    if call.command == "exec":
        return commands.execute(call.container, InsideAlone(), Streams(), call.words)
    return commands.attach(call.container, Tools(), Inside(), Streams(), Session(), call.words or None)
