"""The OCI runtime specification of a container of containerd's, whose clients write it."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

from cntr_core.engine.tracing import ShimEntry, TracingOptions
from cntr_core.errors import EngineError
from cntr_core.images import ImageConfig
from cntr_core.json_text import read_json
from cntr_core.runtime import BundleRequest, Confinement, ContainerMount, RuntimeOptions, write_bundle

_HOST = "host"
_NETWORKS = ("", "none", _HOST)
_BIND = ("ro", "rw", "private", "rprivate", "shared", "rshared", "slave", "rslave")


def specification(directory: str, root: int, config: ImageConfig, entry: ShimEntry) -> dict[str, Any]:
    """What an image's configuration and `entry` ask for; `root` describes the image's root directory, and files that
    the container needs are written to `directory`.

    :raises EngineError: it is asked for what containerd does not have.
    :raises ImageError: the image wants a user that it does not have.
    """
    options = entry.options
    _check(options)
    runtime = RuntimeOptions(
        host_network=options.network == _HOST,
        read_only=options.read_only,
        user=options.user,
        working_dir=options.working_dir,
        env=options.environment,
        mounts=tuple(_mounts(entry)),
        volumes=tuple(volume for volume in options.volumes if ":" not in volume),
        confinement=_confinement(options.seccomp),
    )
    request = BundleRequest(entry.hostname, f"/{entry.name}", runtime)
    write_bundle(directory, root, _with_entry(config, entry), request)
    with open(os.path.join(directory, "config.json"), encoding="utf-8", errors="surrogateescape") as file:
        document: dict[str, Any] = read_json(file.read())
    return document


def _confinement(profile: str) -> Confinement:
    """The limits of a container, with that profile of system calls if there is one."""
    return Confinement(seccomp=read_json(profile)) if profile else Confinement()


def _with_entry(config: ImageConfig, entry: ShimEntry) -> ImageConfig:
    """The image's configuration, with `entry` in place of its command."""
    return replace(config, entrypoint=entry.arguments, cmd=())


def _check(options: TracingOptions) -> None:
    """:raises EngineError: containerd, which has neither networks nor volumes of its own, cannot do it."""
    without = "or run it without --engine, or with docker or podman"
    if options.network not in _NETWORKS:
        raise EngineError(f"containerd has no network {options.network}", f"use host or none, {without}")
    if options.publish:
        raise EngineError("a port cannot be published: containerd has no networks", f"use --network host, {without}")
    if options.init:
        raise EngineError("containerd has no init to put before the program", f"leave --init out, {without}")


def _mounts(entry: ShimEntry) -> list[ContainerMount]:
    """The shim's directory, and what the user asks for."""
    return [
        *(_volume(volume) for volume in entry.options.volumes if ":" in volume),
        *(_tmpfs(text) for text in entry.options.tmpfs),
        ContainerMount(entry.target, entry.directory, ("ro",)),
    ]


def _volume(text: str) -> ContainerMount:
    source, target, *rest = text.split(":", 2)
    words = tuple(word for options in rest for word in options.split(","))
    unknown = [word for word in words if word not in _BIND]
    if unknown:
        raise EngineError(f"containerd has no volume option {unknown[0]!r}", f"choose from {', '.join(_BIND)}")
    if not source.startswith("/"):
        raise EngineError(f"containerd has no volume {source!r}", "name a file or directory by its absolute path")
    return ContainerMount(target, source, words)


def _tmpfs(text: str) -> ContainerMount:
    target, _, options = text.partition(":")
    return ContainerMount(target, options=tuple(filter(None, options.split(","))))
