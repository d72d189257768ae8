"""Docker archives: what ``docker save`` wrote before version 25, and skopeo's docker-archive."""

from __future__ import annotations

import posixpath
import re

from ...errors import ImageError
from ..streams import check_digest
from ..values import ImageConfig, Layer, Platform, Record, parse_json
from .blobs import Blobs
from .layout import check_config

_PART = re.compile(r"[0-9a-f]{64}(\.json|\.tar|/layer\.tar)")  # what no root directory has at its top
_CONFIG_NAME = re.compile(r"(?P<hex>[0-9a-f]{64})\.json")


def is_docker_archive(blobs: Blobs) -> bool:
    """Whether `blobs` are those of a docker archive, were it a damaged one; a root tarball may hold a manifest.json of
    its own."""
    if any(_PART.fullmatch(name) for name in blobs.names()) and "manifest.json" in blobs:
        return True
    try:
        return bool(_entries(blobs))
    except ImageError:
        return False


def read_docker_archive(blobs: Blobs, tag: str, platform: Platform) -> tuple[str, ImageConfig, tuple[Layer, ...]]:
    """No digest, the configuration and the layers of the image named `tag` (or the only one).

    :raises ImageError: none or several match, or a document is missing or damaged.
    """
    entry = _choose(_entries(blobs), tag)
    name = posixpath.normpath(entry.text("Config"))
    # Old dockers name the configuration by its digest.
    match = _CONFIG_NAME.fullmatch(name)
    config = ImageConfig.parse(blobs.read(name, f"sha256:{match['hex']}" if match else ""))
    names = entry.texts("Layers")
    check_config(config, platform, len(names))
    for diff_id in config.diff_ids:
        check_digest(diff_id)
    return (
        "",
        config,
        tuple(
            Layer(posixpath.normpath(name), diff_id=diff_id)
            for name, diff_id in zip(names, config.diff_ids, strict=True)
        ),
    )


def _entries(blobs: Blobs) -> tuple[Record, ...]:
    images = {"images": parse_json(blobs.read("manifest.json"), "manifest.json")}
    entries = Record(images, "manifest.json").records("images")
    return tuple(entry for entry in entries if entry.text("Config"))


def _choose(entries: tuple[Record, ...], tag: str) -> Record:
    if tag:
        entries = tuple(entry for entry in entries if tag in entry.texts("RepoTags"))
        if not entries:
            raise ImageError(f"it holds no image named {tag!r}")
    if not entries:
        raise ImageError("its manifest.json holds no image")
    if len(entries) > 1:
        names = ", ".join(name for entry in entries for name in entry.texts("RepoTags"))
        raise ImageError("it holds several images", f"name one of them after a colon: {names}")
    return entries[0]
