"""What the halves are called, and where they go, when the user does not say."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

_SUFFIX = re.compile(r"(\.oci|\.docker)?(\.tar)?(\.(gz|xz|zst))?$|\.tgz$")
_ID = re.compile(r"(?:sha256:)?(?P<short>[0-9a-f]{12})[0-9a-f]{52}")
_ODD = re.compile(r"[^a-z0-9._-]+|^[^a-z0-9]+")


def pair_names(reference: str, target: str = "") -> tuple[str, str]:
    """The names of the slim and the fat half of the image `reference`.

    A `target` in an engine or a registry tells them: ``docker://web:1`` gives ``web:1`` and ``web:1-fat``, and
    ``docker://web:slim`` also ``web:fat``. Else ``nginx.tar`` gives ``nginx:slim`` and ``nginx:fat``, and an image
    with a tag keeps it: ``docker://shop/web:1.2`` gives ``shop/web:1.2-slim``.
    """
    scheme, separator, place = target.partition("://")
    if separator:
        return _told(place.partition("/")[2] if scheme == "registry" else place)
    file, name = _locate(reference)
    path, tag = _split(name or reference.partition("://")[2] or reference)
    if file and not name:
        path, tag = _base(file), ""
    stem = f"{path}:{tag}-" if tag else f"{path}:"
    return f"{stem}slim", f"{stem}fat"


def _told(name: str) -> tuple[str, str]:
    path, tag = _split(name)
    if not tag:
        return f"{path}:slim", f"{path}:fat"
    return f"{path}:{tag}", f"{path}:{tag.removesuffix('slim')}fat" if tag.endswith("slim") else f"{path}:{tag}-fat"


def chosen(
    reference: str, target: str, slim: str | None, fat: str | None, fat_target: str | None = None
) -> tuple[str, str]:
    """As :func:`pair_names`, where the user has not named one. In a registry a tag alone is a name, too. The fat half
    may go to a place of its own, `fat_target`, which tells its name."""
    slim_default, fat_default = pair_names(reference, target)
    if fat_target:
        fat_default = _told_fat(fat_target) or fat_default
    return (
        _complete(slim or slim_default, slim_default, target),
        _complete(fat or fat_default, fat_default, fat_target or target),
    )


def _told_fat(target: str) -> str:
    scheme, separator, place = target.partition("://")
    if not separator:
        return ""
    path, tag = _split(place.partition("/")[2] if scheme == "registry" else place)
    return f"{path}:{tag or 'fat'}"


def _complete(name: str, default: str, target: str) -> str:
    return f"{_split(default)[0]}:{name}" if target.startswith("registry://") and ":" not in name else name


def report(reference: str) -> str:
    """The directory of the report: ``nginx-report``."""
    return f"{_stem(reference)}-report"


def output(reference: str, engines: Sequence[str]) -> str:
    """The destination: the engine that the reference names, else an archive in the working directory."""
    scheme, separator, _ = reference.partition("://")
    if separator and scheme in engines:
        return f"{scheme}://{pair_names(reference)[0]}"
    return f"{_stem(reference)}-slim.tar"


def _stem(reference: str) -> str:
    """What files are called after: the image's file, or its name elsewhere."""
    return _base(_locate(reference)[0] or _split(reference.partition("://")[2] or reference)[0])


def _split(name: str) -> tuple[str, str]:
    """Name and tag; a colon before a slash belongs to a registry's port. An id is called by its beginning."""
    if identifier := _ID.fullmatch(name):
        return identifier["short"], ""
    name = name.partition("@")[0]
    path, colon, tag = name.rpartition(":")
    return (path, tag) if colon and "/" not in tag else (name, "")


def _base(path: str) -> str:
    last = _SUFFIX.sub("", os.path.basename(path.rstrip("/")).lower())
    return _ODD.sub("", last) or "image"


def _locate(reference: str) -> tuple[str, str]:
    from cntr_core.images import locate  # not yet for --help

    return locate(reference)
