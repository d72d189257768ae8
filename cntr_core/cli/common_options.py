"""The options that many commands have."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from .output import debugging, fail_as_json


def _switch_debug(wanted: bool) -> bool:
    if wanted:
        os.environ["CNTR_DEBUG"] = "1"
    if debugging():
        from ..debugging import switch_on

        switch_on()
    return wanted


def _switch_json(wanted: bool) -> bool:
    fail_as_json(wanted)
    return wanted


Debug = Annotated[
    bool,
    typer.Option("--debug", callback=_switch_debug, help="Show tracebacks and internal steps (as with CNTR_DEBUG=1)."),
]
Json = Annotated[bool, typer.Option("--json", callback=_switch_json, help="Print JSON, for programs.")]
