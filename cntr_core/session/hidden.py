"""A command that cannot be executed since a session does not show it of the host's tree."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from ..errors import CommandNotExecutable, CommandNotFound
from ..filesystem import Part
from . import root_layout
from .environment import DEFAULT_PATH

_NEVER = tuple(f"/{place}/" for place in (root_layout.CONTAINER, *root_layout.SPECIAL, *root_layout.PRIVATE))
"""Below these a session shows no tools, whatever they are."""


@contextmanager
def hidden_programs_told(name: bytes, part: Part, caller: Mapping[bytes, bytes]) -> Iterator[None]:
    """Says of a command `name` that is not found (or is a link to nothing) where the host has it, if that is no `part`
    of what is shown; `caller` are the caller's variables."""
    try:
        yield
    except (CommandNotFound, CommandNotExecutable) as error:
        if path := _hidden(name, part, caller):
            raise type(error)(
                error.message, f"the host has {path}, which is not shown: give --tools dir:/ and this path"
            ) from error
        raise


def _hidden(name: bytes, part: Part, caller: Mapping[bytes, bytes]) -> str | None:
    """The path of the host's program, None where there is none, or it is shown."""
    path = shutil.which(os.fsdecode(name), path=os.fsdecode(caller.get(b"PATH", DEFAULT_PATH)))
    if path is None or not path.startswith("/"):
        return None
    real = os.path.realpath(path)
    return None if part.shows(real) or real.startswith(_NEVER) else path
