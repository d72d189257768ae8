"""The OCI runtime specification of a container of containerd's, whose clients write it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from cntr_core.engine.tracing import ShimEntry, TracingOptions
from cntr_core.errors import EngineError
from cntr_core.images import ImageConfig
from cntr_core.json_text import read_json
from cntr_core.runtime import BundleRequest, RuntimeOptions, write_bundle

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
    runtime = RuntimeOptions(host_network=options.network == _HOST, read_only=options.read_only)
    request = BundleRequest(entry.hostname, f"/{entry.name}", runtime)
    write_bundle(directory, root, _with_entry(config, entry), request)
    with open(os.path.join(directory, "config.json"), encoding="utf-8", errors="surrogateescape") as file:
        document: dict[str, Any] = read_json(file.read())
    document["mounts"] = _merged([*document["mounts"], *_mounts(entry)])
    return document


def _with_entry(config: ImageConfig, entry: ShimEntry) -> ImageConfig:
    """The image's configuration, with `entry` in place of its command."""
    options = entry.options
    nameless = [volume for volume in options.volumes if ":" not in volume]
    return replace(
        config,
        entrypoint=entry.arguments,
        cmd=(),
        env=(*config.env, *options.environment),
        volumes=(*config.volumes, *nameless),
    )


def _check(options: TracingOptions) -> None:
    """:raises EngineError: containerd, which has neither networks nor volumes of its own, cannot do it."""
    without = "or run it without --engine, or with docker or podman"
    if options.network not in _NETWORKS:
        raise EngineError(f"containerd has no network {options.network}", f"use host or none, {without}")
    if options.publish:
        raise EngineError("a port cannot be published: containerd has no networks", f"use --network host, {without}")
    if options.init:
        raise EngineError("containerd has no init to put before the program", f"leave --init out, {without}")


def _mounts(entry: ShimEntry) -> list[dict[str, Any]]:
    """The shim's directory, and what the user asks for."""
    return [
        _bind(entry.directory, entry.target, ["ro"]),
        *(_volume(volume) for volume in entry.options.volumes if ":" in volume),
        *(_tmpfs(text) for text in entry.options.tmpfs),
    ]


def _volume(text: str) -> dict[str, Any]:
    source, target, *rest = text.split(":", 2)
    words = [word for options in rest for word in options.split(",")]
    unknown = [word for word in words if word not in _BIND]
    if unknown:
        raise EngineError(f"containerd has no volume option {unknown[0]!r}", f"choose from {', '.join(_BIND)}")
    if not source.startswith("/"):
        raise EngineError(f"containerd has no volume {source!r}", "name a file or directory by its absolute path")
    return _bind(source, target, words)


def _bind(source: str, target: str, words: Sequence[str]) -> dict[str, Any]:
    """Of several kinds of propagation the last one counts."""
    return {"destination": target, "type": "bind", "source": source, "options": ["rbind", "rprivate", *words]}


def _tmpfs(text: str) -> dict[str, Any]:
    target, _, options = text.partition(":")
    words = ["nosuid", "nodev", "noexec", *filter(None, options.split(","))]
    return {"destination": target, "type": "tmpfs", "source": "tmpfs", "options": words}


def _merged(mounts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One mount for each place, where the last one counts, and those below others after them."""
    by_place = {os.path.normpath(mount["destination"]): mount for mount in mounts}
    return [by_place[place] for place in sorted(by_place, key=lambda place: place.count("/"))]
