"""The options that say what a container of ours may call and use up, for the commands that start one."""

from __future__ import annotations

import copy
import os
import re
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import UsageError
from . import output

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..runtime import Confinement

MEMORY = typer.Option(
    "--memory",
    "-m",
    metavar="BYTES",
    show_default="three quarters of the machine's",
    help="Limit the container's memory: a number with k, m or g; 0 for no limit.",
)
PIDS_LIMIT = typer.Option(
    "--pids-limit",
    metavar="COUNT",
    show_default="2048",
    help="Limit the container's processes and threads; -1 for no limit.",
)
SECURITY_OPT = typer.Option(
    "--security-opt",
    metavar="OPTION",
    help="Use another profile of system calls than docker's default: seccomp=FILE or seccomp=unconfined; or "
    "no-new-privileges. Repeatable.",
)
Memory = Annotated[str, MEMORY]
PidsLimit = Annotated[int | None, PIDS_LIMIT]
SecurityOpt = Annotated[list[str] | None, SECURITY_OPT]

_UNITS = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_LEAST = 6 << 20  # as docker has it: no runtime could start a container with less


def in_panel(option: Any, panel: str) -> Any:
    """The same option in that part of a command's help."""
    moved = copy.copy(option)
    moved.rich_help_panel = panel
    return moved


def confinement(memory: str, pids_limit: int | None, security_opt: Sequence[str] | None) -> Confinement:
    """What the options say; :raises UsageError: they make no sense."""
    from ..runtime import Confinement

    if os.geteuid() != 0 and (memory or pids_limit is not None or sys.stderr.isatty()):
        output.say("warning: no cgroup is yours to set limits in: the container may use all memory and processes")
    given: dict[str, Any] = {}
    if memory:
        given["memory"] = _bytes(memory)
    if pids_limit is not None:
        given["pids"] = max(pids_limit, 0)
    for option in security_opt or ():
        given |= _security(option)
    return Confinement(**given)


def _bytes(text: str) -> int:
    match = re.fullmatch(r"([0-9]{1,15})([bkmg]?)b?", text.lower())
    size = int(match[1]) * _UNITS[match[2]] if match else -1
    if size < 0:
        raise UsageError(f"--memory takes a number of bytes, not '{text}'", "for example --memory 512m")
    if 0 < size < _LEAST:
        raise UsageError(f"--memory cannot be as little as {text}", "give 6m or more")
    return size


def _security(option: str) -> dict[str, Any]:
    name, _, value = option.replace(":", "=", 1).partition("=")
    if name == "no-new-privileges" and value in ("", "true", "false"):
        return {"no_new_privileges": value != "false"}
    if name != "seccomp" or not value:
        raise UsageError(
            f"--security-opt does not know '{option}'", "give seccomp=FILE, seccomp=unconfined or no-new-privileges"
        )
    if value == "unconfined":
        return {"seccomp": None}
    from ..runtime.seccomp_profile import read_profile

    return {"seccomp": read_profile(value)}
