"""Where a session's tools come from, where the user has no wish."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from . import output
from .backend import AUTO

if TYPE_CHECKING:
    from ..session import SessionOptions

HOST, TOOLBOX = "host", "toolbox"


def chosen_tools(source: str) -> str:
    """`source`; for :data:`AUTO` the host, or the toolbox where the host lacks a shell or ps, and there is one."""
    if source != AUTO:
        return source
    from ..toolbox.place import has_toolbox, lacking_on_host

    return TOOLBOX if lacking_on_host(os.environ) and has_toolbox() else HOST


def tell_tools(options: SessionOptions) -> None:
    """Why it is the toolbox, or that one would help."""
    from ..toolbox.place import lacking_on_host

    lacking = " and no ".join(lacking_on_host(os.environ))
    if lacking and options.fat is None and options.tools == TOOLBOX:
        output.say(f"the tools are the toolbox's: the host has no {lacking}")
    elif lacking and options.fat is None and options.tools == HOST:
        output.say(f"the host has no {lacking}; cntr toolbox build makes an image of tools")
