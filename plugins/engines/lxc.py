"""LXC, by its own tools: it serves no API.

Each container's monitor has a command socket, but what is spoken there are structures private to liblxc, which change
from version to version; and only the tools know those containers that do not run. One ``lxc-ls`` tells all of it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from typing import ClassVar

from cntr_core import Container, ContainerState, Engine, EngineStatus, hookimpl
from cntr_core.errors import EngineError

from .programs import check_installed, printed

_ABSENT = "install lxc"
_VARIABLE = "LXCPATH"
_FIELDS = ("NAME", "STATE", "PID", "GROUPS", "UNPRIVILEGED")
_STATES = {  # lxc(7)
    "STOPPED": ContainerState.EXITED,
    "STARTING": ContainerState.CREATED,
    "RUNNING": ContainerState.RUNNING,
    "STOPPING": ContainerState.RUNNING,
    "ABORTING": ContainerState.EXITED,
    "FREEZING": ContainerState.PAUSED,
    "FROZEN": ContainerState.PAUSED,
    "THAWED": ContainerState.RUNNING,
}


class LxcEngine(Engine):
    """The containers of the directory ``LXCPATH``, else of the one that lxc.conf(5) names: the caller's own."""

    name: ClassVar[str] = "lxc"

    def status(self) -> EngineStatus:
        try:
            version = _tool("lxc-ls", "--version").strip()
            path = os.environ.get(_VARIABLE) or _tool("lxc-config", "lxc.lxcpath").strip()
        except EngineError as error:
            return EngineStatus(available=False, detail=error.message, hint=error.hint)
        return EngineStatus(available=True, detail=f"version {version}", endpoint=path)

    def check_presence(self) -> None:
        check_installed("lxc", "lxc-ls", _ABSENT)

    def containers(self) -> Iterable[Container]:
        path = os.environ.get(_VARIABLE)
        place = ("--lxcpath", path) if path else ()
        table = _tool("lxc-ls", *place, "--fancy", f"--fancy-format={','.join(_FIELDS)}")
        return [_container(row) for row in rows(table)]


def _tool(*line: str) -> str:
    return printed("lxc", *line, absent=_ABSENT)


def rows(table: str) -> Iterator[dict[str, str]]:
    """The rows of a table as ``lxc-ls --fancy`` prints it; a dash stands for nothing.

    Its columns begin where their titles do, so that values may hold blanks. They are padded by bytes.

    :raises EngineError: it has not the columns that were asked for.
    """
    lines = os.fsencode(table).splitlines()
    if not lines:  # no containers, no titles
        return
    titles = list(re.finditer(rb"\S+", lines[0]))
    if tuple(title[0].decode(errors="replace") for title in titles) != _FIELDS:
        raise EngineError(f"lxc-ls prints an unexpected table: {table[:60]!r}", "run lxc-ls --fancy")
    begins = [title.start() for title in titles]
    for line in lines[1:]:
        columns = zip(begins, [*begins[1:], None], strict=True)
        values = [os.fsdecode(line[begin:end].rstrip()) for begin, end in columns]
        yield {field: "" if value == "-" else value for field, value in zip(_FIELDS, values, strict=True)}


def _container(row: dict[str, str]) -> Container:
    """Names are unique below one path, and all that LXC has for an id."""
    pid = row["PID"]
    if pid and not pid.isdecimal():
        raise EngineError(f"lxc-ls prints no PID for {row['NAME']}: {pid!r}", "run lxc-ls --fancy")
    labels = {"lxc.group": row["GROUPS"], "unprivileged": row["UNPRIVILEGED"]}
    return Container(
        engine=LxcEngine.name,
        id=row["NAME"],
        name=row["NAME"],
        state=_STATES.get(row["STATE"], ContainerState.UNKNOWN),
        pid=int(pid) if pid else None,
        labels={key: value for key, value in labels.items() if value},
    )


@hookimpl
def cntr_register_engine() -> Engine:
    return LxcEngine()
