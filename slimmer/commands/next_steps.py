"""What to do with a new pair: lines that work as they are printed, in the words of the engine which has the images."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import msgspec

from cntr_core.engine import find
from cntr_core.engine.tracing import ComposeService
from cntr_core.errors import AmbiguousContainer, CntrError, ContainerNotFound
from cntr_core.types import ContainerRef

from ..report import schema
from ..report.schema import Report
from ..report.sums import largest_kept
from ..report.text import words
from ..request import PROGRAMS
from . import options, running

_OWN = "oci"
"""The engine of ``cntr run``."""


_LOOK = "look into it, with all files of the original"


class Step(NamedTuple):
    """A command line, and what it is for."""

    line: str
    purpose: str


class Call(NamedTuple):
    """How ``cntr slim`` was called: the `directory` of its report, how the image ran, and the `command` in it; or the
    `service` of the compose file `file`."""

    directory: str
    run: running.Run
    command: tuple[str, ...] = ()
    file: str = ""
    service: ComposeService | None = None


def next_steps(report: Report, call: Call) -> list[Step]:
    """The lines for the pair of `report`."""
    return [*_uses(report, call), *_explanation(report, call.directory)]


def with_steps(report: Report, call: Call) -> Report:
    """The report with its lines. Others read them, so that variables have no values: they are taken from whoever calls
    the line."""
    names = [one.partition("=")[0] for one in call.run.env or ()]
    steps = _uses(report, call._replace(run=replace(call.run, env=names)))
    told = (schema.Step(command=words(step.line), purpose=step.purpose) for step in steps)
    return msgspec.structs.replace(report, steps=tuple(told))


def _uses(report: Report, call: Call) -> Iterator[Step]:
    starter = _starter(report, _confined(report, call))
    if call.service is not None:
        yield from _service(report, starter, call, call.service)
        return
    yield from starter.load()
    yield from (_job if _is_job(report) else _server)(report, starter, call.command)


class _Starter(NamedTuple):
    """Who starts the slim image: `engine`, by the words `line`, the image as `image` there, from the file `archive`
    where it must be loaded first."""

    engine: str
    line: tuple[str, ...]
    image: str
    archive: str = ""

    def load(self) -> Iterator[Step]:
        if self.archive:
            yield Step(shlex.join([self.line[0], "load", "--input", self.archive]), f"load it into {self.engine}")


def _starter(report: Report, run: running.Run) -> _Starter:
    scheme, separator, place = report.destination.partition("://")
    engine = scheme if separator and scheme != "registry" else run.engine or ""
    program = PROGRAMS.get(engine, "")
    name = report.halves[0].name
    if program and shutil.which(program) and (separator or not os.path.isdir(report.destination)):
        name = f"{place.partition('/')[0]}/{name}" if scheme == "registry" else name
        return _Starter(engine, (program, "run", *_engine_words(run)), name, "" if separator else report.destination)
    return _Starter(_OWN, ("cntr", "run", *_shared_words(run)), reference(report.destination, name))


def _seccomp(report: Report) -> str:
    """The file of the profile under which the slim image was seen to work, or nothing."""
    return next((one.file for one in report.profiles if one.kind == "seccomp" and one.verified), "")


def _confined(report: Report, call: Call) -> running.Run:
    """The options of the run, with the profile that was made in the place of the one that it had."""
    if not (file := _seccomp(report)):
        return call.run
    others = [option for option in call.run.security_opt or () if not option.startswith("seccomp=")]
    return replace(call.run, security_opt=[*others, f"seccomp={os.path.join(call.directory, file)}"])


def _shared_words(run: running.Run) -> Iterator[str]:
    """The options that ``cntr run`` and the engines' own programs have alike."""
    if run.host_network:
        yield "--network=host"
    if run.read_only:
        yield "--read-only"
    if run.memory:
        yield f"--memory={run.memory}"
    if run.pids_limit is not None:
        yield f"--pids-limit={run.pids_limit}"
    yield from (f"--security-opt={one}" for one in run.security_opt or ())
    if run.entrypoint is not None:  # an empty one stands for none
        yield f"--entrypoint={run.entrypoint}"
    for name in ("user", "workdir"):
        if value := getattr(run, name):
            yield f"--{name}={value}"
    for name in ("env_file", "env", "mount", "volume"):
        yield from (f"--{name.replace('_', '-')}={one}" for one in getattr(run, name) or ())


def _engine_words(run: running.Run) -> Iterator[str]:
    yield from _shared_words(run)
    yield from (f"--publish={one}" for one in run.publish or ())
    if run.network and not run.host_network:
        yield f"--network={run.network}"


def _is_job(report: Report) -> bool:
    """Whether the container ends by itself, so that there is nothing to attach to."""
    found = (one for outcome in report.probes.original for one in outcome["observations"])
    return any(one["subject"] == "container" and one["facts"].get("code") is not None for one in found)


def _job(_report: Report, starter: _Starter, command: Sequence[str]) -> Iterator[Step]:
    yield Step(shlex.join([*starter.line, "--rm", starter.image, *command]), "run the slim image")


def _server(report: Report, starter: _Starter, command: Sequence[str]) -> Iterator[Step]:
    name = _free_name(report.halves[0].name, starter.engine)
    line = (*starter.line, "--detach", f"--name={name}", starter.image, *command)
    yield Step(shlex.join(line), "start the slim image")
    yield Step(f"{_attach(report)} {shlex.quote(f'{starter.engine}://{name}')}", _LOOK)


def _attach(report: Report) -> str:
    fat = report.halves[1]
    word = f"--fat-image={reference(fat.destination, fat.name)}" if fat.destination else "--fat"
    wider = ["--no-seccomp"] if _seccomp(report) else []  # tools call what the application does not
    return shlex.join(["cntr", "attach", word, *wider])


def _service(report: Report, starter: _Starter, call: Call, service: ComposeService) -> Iterator[Step]:
    """Compose starts it as its file says, but with the slim image; nobody does where docker cannot have that."""
    if starter.engine != "docker":
        return
    yield from starter.load()
    other = {"image": starter.image, **({"command": call.command} if call.command else {})}
    text = json.dumps({"services": {service.name: other}}).replace("$", "$$")
    file = (*service.program, "--file", call.file)
    line = (*file, "--file", "/dev/stdin", "up", "--detach", "--no-build", service.name)
    yield Step(f"printf %s {shlex.quote(text)} | {shlex.join(line)}", "start the service with the slim image")
    yield Step(f'{_attach(report)} "docker://$({shlex.join([*file, "ps", "--quiet", service.name])})"', _LOOK)


def _explanation(report: Report, directory: str) -> Iterator[Step]:
    if path := largest_kept(report.files):
        yield Step(shlex.join(["cntr", "why", directory, path]), "explain why a file is kept or not")


def _free_name(image: str, engine: str) -> str:
    """A name for a container of `image` that no container of `engine` has."""
    last = image.partition("@")[0].rpartition("/")[2].partition(":")[0]
    base = f"{re.sub(r'[^A-Za-z0-9_.-]', '', last)}-slim"
    number = 1
    while True:
        name = base if number == 1 else f"{base}-{number}"
        try:
            find(ContainerRef(name, engine), options.engines())
        except AmbiguousContainer:
            pass
        except ContainerNotFound:
            return name
        except CntrError:  # nobody can tell; then it matters little
            return name
        number += 1


def reference(destination: str, name: str) -> str:
    """The image `name` at `destination` as cntr takes it."""
    scheme, separator, place = destination.partition("://")
    if scheme == "registry":
        return f"registry://{place.partition('/')[0]}/{name}"
    return f"{scheme}://{name}" if separator else f"{destination}:{name}"
