"""A service of a compose file, as Compose itself reads the file: how it runs, and what runs beside it."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import yaml

from cntr_core.engine.tracing import ComposeService, TracingOptions
from cntr_core.errors import UsageError

from ..request import RunOptions

_PATIENCE = 60.0
"""Seconds that Compose may take to read a file."""


def composed(file: str, name: str) -> ComposeService:
    """The service `name` of the compose file.

    :raises UsageError: there is no Compose here, or it does not take the file; or there is no such service.
    """
    program, path = _program(), os.path.abspath(file)
    if not os.path.isfile(path):
        raise UsageError(f"--compose: there is no file {file}", "name a compose file")
    line = [*program, "--project-name", "cntr", "--file", path, "config"]
    done = _called(line)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        raise UsageError(f"--compose: {' '.join(said.split()) or 'the file is not understood'}", f"correct {file}")
    document = yaml.safe_load(done.stdout)
    services = document.get("services") or {}
    if name not in services:
        raise UsageError(f"{file} has no service {name}", f"its services are {', '.join(sorted(services))}")
    if not services[name].get("image"):
        raise UsageError(f"service {name} of {file} has no image", "build it, and name it with image")
    return ComposeService(program, os.path.dirname(path), _without_names(document), name)


def _program() -> tuple[str, ...]:
    """The words that start Compose: docker's plugin, or the older program."""
    if shutil.which("docker") and not _called(["docker", "compose", "version"]).returncode:
        return "docker", "compose"
    if shutil.which("docker-compose"):
        return ("docker-compose",)
    raise UsageError("--compose needs Compose, which is not installed", "install docker-compose, or docker's plugin")


def _called(line: list[str]) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(line, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PATIENCE)
    except subprocess.TimeoutExpired:
        raise UsageError(f"{' '.join(line[:2])} did not answer within {_PATIENCE:g} s", "try it by hand") from None


def _without_names(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The project without names of its networks and volumes, whoever has given them: each run has its own, and leaves
    alone what the user runs of the same file. Only what is ``external`` is the user's."""
    cleaned = {key: value for key, value in document.items() if key != "name"}
    for kind in ("networks", "volumes"):
        found = document.get(kind) or {}
        cleaned[kind] = {key: _unnamed(value or {}) for key, value in found.items()}
    return cleaned


def _unnamed(value: Mapping[str, Any]) -> Mapping[str, Any]:
    return value if value.get("external") else {key: one for key, one in value.items() if key != "name"}


def image_of(service: ComposeService) -> str:
    """The image of the service, as docker knows it."""
    return _plain(_own(service)["image"])


def composed_options(options: RunOptions, service: ComposeService) -> RunOptions:
    """The options for a run of the service; `options` have the engine, and what the user has said beside the file."""
    own = _own(service)
    command = options.runtime.command or _words(own.get("command"))
    entrypoint = own.get("entrypoint")
    runtime = replace(
        options.runtime,
        command=command,
        entrypoint=None if entrypoint is None else _words(entrypoint),
        env=tuple(_environment(own.get("environment"))),
        user=_plain(own.get("user") or ""),
        working_dir=_plain(own.get("working_dir") or ""),
    )
    told = TracingOptions(
        environment=runtime.env,
        volumes=tuple(_volumes(own.get("volumes") or ())),
        user=runtime.user,
        working_dir=runtime.working_dir,
        compose=service,
    )
    return replace(options, runtime=runtime, options=told)


def _own(service: ComposeService) -> Mapping[str, Any]:
    found: Mapping[str, Any] = service.document["services"][service.name]
    return found


def _plain(text: Any) -> str:
    return str(text).replace("$$", "$")


def _words(value: Any) -> tuple[str, ...]:
    """A command, which Compose gives as a list, or as a line."""
    if isinstance(value, str):
        return tuple(shlex.split(_plain(value)))
    return tuple(map(_plain, value or ()))


def _environment(value: Any) -> Iterator[str]:
    """``NAME=VALUE``; a variable without a value is left out, as Compose does."""
    if isinstance(value, list):
        yield from (_plain(one) for one in value if "=" in one)
    for name, text in value.items() if isinstance(value, dict) else ():
        if text is not None:
            yield f"{name}={_plain(text)}"


def _volumes(values: Any) -> Iterator[str]:
    """``SOURCE:TARGET``, or ``TARGET`` of one without a name, as docker writes them."""
    for one in values:
        if isinstance(one, str):
            yield _plain(one)
        elif one.get("type") == "volume":
            yield ":".join(_plain(one[key]) for key in ("source", "target") if one.get(key))
