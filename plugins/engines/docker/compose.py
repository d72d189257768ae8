"""A service that Compose starts with all that it depends on, in a project of its own, for one run."""

from __future__ import annotations

import json
import logging
import os
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from cntr_core import ShimEntry
from cntr_core.engine.tracing import ComposeService
from cntr_core.errors import EngineError
from cntr_core.kernel.child import die_with
from cntr_core.timing import timed

if TYPE_CHECKING:
    from docker import APIClient

_log = logging.getLogger(__name__)

_PROJECT = "com.docker.compose.project"
"""The label that Compose gives all that it makes."""
_LONGEST = 600
"""Seconds that images may take to come, and services to be healthy."""
_MOST_SAID = 400
"""Characters of what Compose says of its failure."""


def start_service(service: ComposeService, endpoint: str, image: str, entry: ShimEntry) -> None:
    """Start the service as the container of `entry`, of `image`, in the project of that name, after all that it depends
    on.

    :raises EngineError: Compose fails.
    """
    path = os.path.join(os.path.dirname(entry.directory), "compose.json")
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)  # it may have passwords
    with open(descriptor, "w", encoding="utf-8") as file:
        json.dump(_project(service, image, entry), file)
    project = ("--project-name", entry.name, "--project-directory", service.directory, "--file", path)
    line = [*service.program, *project, "up", "--detach", "--no-build", service.name]
    with timed(_log, "start the service %s and what it depends on", service.name):
        said = _call(line, endpoint)
    if said is not None:
        raise EngineError(f"{' '.join(service.program)} up failed: {_failure(said)}", "see its services")


def _call(line: list[str], endpoint: str) -> str | None:
    """What it said where it failed; None where it did not."""
    try:
        done = subprocess.run(
            line,
            env={**os.environ, "DOCKER_HOST": endpoint},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=_LONGEST,
            preexec_fn=partial(die_with, os.getpid()),  # this process has one thread
        )
    except subprocess.TimeoutExpired:
        raise EngineError(f"the services were not ready within {_LONGEST} s", "look at their health checks") from None
    return done.stderr.decode(errors="replace") if done.returncode else None


def _failure(said: str) -> str:
    """What Compose says of its failure, without how far it came before."""
    lines = [" ".join(line.split()) for line in said.splitlines()]
    first = next((number for number, line in enumerate(lines) if "error" in line.lower()), 0)
    return " ".join(lines[first:])[-_MOST_SAID:]  # the cause comes last


def _project(service: ComposeService, image: str, entry: ShimEntry) -> Mapping[str, Any]:
    """The project with the shim in the place of the service's own program."""
    services = {name: _without_name(one) for name, one in service.document["services"].items()}
    own = {key: value for key, value in services[service.name].items() if key not in ("build", "scale")}
    own |= {
        "image": image,
        "container_name": entry.name,
        "entrypoint": [word.replace("$", "$$") for word in entry.arguments],
        "command": [],
        "labels": {**_labels(own.get("labels")), **entry.labels},
        "restart": "no",
        "volumes": [*own.get("volumes", ()), f"{entry.directory}:{entry.target}:ro"],
    }
    if own.get("deploy"):
        own["deploy"] = {key: value for key, value in own["deploy"].items() if key != "replicas"}
    if ":" not in (own.get("network_mode") or ""):  # else it has the name of another container
        own["hostname"] = own.get("hostname") or entry.hostname
    return {**service.document, "services": {**services, service.name: own}}


def _without_name(service: Mapping[str, Any]) -> Mapping[str, Any]:
    """The service without a container's name of the user's, which one container on a machine has; others of its
    networks still find it by that."""
    name = service.get("container_name")
    if not name:
        return service
    made = {key: value for key, value in service.items() if key != "container_name"}
    if not made.get("network_mode"):
        networks = made.get("networks") or ["default"]
        known = networks if isinstance(networks, Mapping) else dict.fromkeys(networks)
        made["networks"] = {key: _with_alias(value or {}, name) for key, value in known.items()}
    return made


def _with_alias(network: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    return {**network, "aliases": [*(network.get("aliases") or ()), name]}


def _labels(value: Any) -> Mapping[str, str]:
    if isinstance(value, list):
        return dict(one.partition("=")[::2] for one in value)
    return value or {}


def remove_project(client: APIClient, name: str) -> None:
    """Remove the containers, networks and volumes of the project `name`; nothing happens where there are none."""
    from docker.errors import NotFound

    chosen = {"label": f"{_PROJECT}={name}"}
    for container in client.containers(all=True, filters=chosen):
        with suppress(NotFound):
            client.remove_container(container["Id"], v=True, force=True)
    for network in client.networks(filters=chosen):
        with suppress(NotFound):
            client.remove_network(network["Id"])
    for volume in client.volumes(filters=chosen)["Volumes"] or ():
        with suppress(NotFound):
            client.remove_volume(volume["Name"])
