#!/usr/bin/env python3
"""Make an image from Debian packages, as one archive that every tool reads.

    build.py nginx nginx.tar
    build.py nginx nginx/ --cache /var/tmp/corpus

Needs root, mmdebstrap (busybox-static for the recipe busybox), and the apt sources of this machine: nothing
is pulled from an image registry. The archive is an OCI layout and a docker archive in one; a target that ends
in / becomes an OCI layout. Uses the standard library alone, so it runs before anything is installed. Recipes
are the directories below images/.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import io
import json
import os
import platform
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import layers
from layers import make_base, make_layer
from recipes import IMAGES, Recipe, layers_fingerprint, names, parents, read

LAYER = "application/vnd.oci.image.layer.v1.tar"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
PRIVATE = "CNTR_CORPUS_PRIVATE"


@dataclass(frozen=True, slots=True)
class Stack:
    """Layers that lie upon each other: their tars, lowest first, and directories of the same, topmost first."""

    tars: tuple[str, ...] = ()
    below: tuple[str, ...] = ()


def make_stack(recipe: Recipe, place: str, cache: str) -> Stack:
    """All layers of a recipe: its own are made in the directory `place`, those below are kept in `cache`."""
    stack = kept_parent(recipe.parent, cache) if recipe.parent else kept_base(recipe.base, cache)
    os.environ |= {"PYTHON": sys.executable, "HERE": os.path.join(IMAGES, recipe.name)}
    for number, layer in enumerate(recipe.layers):
        scratch = os.path.join(place, str(number))
        os.mkdir(scratch)
        upper = make_layer(layer, stack.below, scratch, f"{scratch}.tar")
        stack = Stack((*stack.tars, f"{scratch}.tar"), (upper, *stack.below))
    return stack


def kept_base(kind: str, cache: str) -> Stack:
    """Debian's base; nothing for ``scratch``, but an overlay wants a directory below."""
    if kind == "scratch":
        return Stack(below=(kept(os.path.join(cache, "nothing"), lambda _: None),))
    place = kept(os.path.join(cache, f"base-{kind}-{layers_version()}"), lambda place: make_base(kind, place))
    return Stack((f"{place}/layer.tar",), (f"{place}/root",))


def kept_parent(name: str, cache: str) -> Stack:
    """The layers of another recipe."""
    recipe = read(name)
    below = kept_parent(recipe.parent, cache) if recipe.parent else kept_base(recipe.base, cache)
    place = kept(
        os.path.join(cache, f"{name}-{layers_fingerprint(name)}"), lambda place: make_stack(recipe, place, cache)
    )
    numbers = range(len(recipe.layers))
    uppers = [f"{place}/{number}/upper" for number in reversed(numbers)]
    return Stack((*below.tars, *(f"{place}/{number}.tar" for number in numbers)), (*uppers, *below.below))


def kept(place: str, make: Callable[[str], object]) -> str:
    """The directory `place`, which `make` fills where it is missing: all of it, or nothing."""
    os.makedirs(os.path.dirname(place), exist_ok=True)
    with open(f"{place}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(place):
            unfinished = tempfile.mkdtemp(prefix="unfinished-", dir=os.path.dirname(place))
            try:
                make(unfinished)
                os.rename(unfinished, place)
            except BaseException:
                shutil.rmtree(unfinished)
                raise
    return place


def layers_version() -> str:
    """Changes with the program that makes layers."""
    return sha256(layers.__file__).removeprefix("sha256:")[:12]


def sha256(path: str) -> str:
    with open(path, "rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def descriptor(media_type: str, blob: bytes) -> dict[str, Any]:
    return {
        "mediaType": media_type,
        "digest": f"sha256:{hashlib.sha256(blob).hexdigest()}",
        "size": len(blob),
    }


def pack(recipe: Recipe, tars: Sequence[str], tag: str, target: str) -> None:
    """Write an archive of uncompressed layers, as docker 25 saves images and older ones load them; or a layout, in a
    directory, where files of the same filesystem are linked."""
    parts = [{"mediaType": LAYER, "digest": sha256(path), "size": os.path.getsize(path)} for path in tars]
    config = json.dumps(
        {
            "architecture": ARCHITECTURES[platform.machine()],
            "os": "linux",
            "config": recipe.config,
            "rootfs": {"type": "layers", "diff_ids": [part["digest"] for part in parts]},
            "history": [{"created_by": "evaluation/corpus/build.py"} for _ in parts],
        }
    ).encode()
    config_part = descriptor(CONFIG, config)
    manifest = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": config_part, "layers": parts}).encode()
    named = descriptor(MANIFEST, manifest) | {"annotations": {"org.opencontainers.image.ref.name": tag}}
    docker = {"Config": blob_path(config_part), "RepoTags": [tag], "Layers": [blob_path(part) for part in parts]}
    contents = {
        "oci-layout": b'{"imageLayoutVersion": "1.0.0"}',
        "index.json": json.dumps({"schemaVersion": 2, "manifests": [named]}).encode(),
        "manifest.json": json.dumps([docker]).encode(),
        blob_path(config_part): config,
        blob_path(named): manifest,
    }
    files = {blob_path(part): path for path, part in zip(tars, parts, strict=True)}
    if os.path.isdir(target):
        write_layout(contents, files, target)
    else:
        write_archive(contents, files, target)


def write_archive(contents: dict[str, bytes], files: dict[str, str], target: str) -> None:
    with tarfile.open(target, "w") as archive:
        for name, content in contents.items():
            add(archive, name, content)
        for name, path in files.items():
            archive.add(path, name)


def write_layout(contents: dict[str, bytes], files: dict[str, str], target: str) -> None:
    os.makedirs(os.path.join(target, "blobs/sha256"))
    for name, content in contents.items():
        with open(os.path.join(target, name), "wb") as file:
            file.write(content)
    for name, path in files.items():
        try:
            os.link(path, os.path.join(target, name))
        except OSError:  # another filesystem
            shutil.copyfile(path, os.path.join(target, name))


def blob_path(part: dict[str, Any]) -> str:
    return f"blobs/{part['digest'].replace(':', '/')}"


def add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def build(recipe: Recipe, tag: str, target: str, cache: str | None) -> None:
    """Make the image as the archive `target`, or as a layout below it; all of it, or nothing."""
    is_layout, target = target.endswith("/"), os.path.abspath(target)
    scratch = tempfile.mkdtemp(prefix="corpus-", dir=cache or os.path.dirname(target))
    try:
        place, finished = (os.path.join(scratch, name) for name in ("layers", "image"))
        os.mkdir(place)
        # What others build upon is taken from where they take it, so that the layers are the same ones.
        shared = cache and recipe.name in parents()
        stack = kept_parent(recipe.name, cache) if shared else make_stack(recipe, place, cache or f"{scratch}/cache")
        if is_layout:
            os.mkdir(finished)
        pack(recipe, stack.tars, tag, finished)
        if os.path.isdir(target):
            shutil.rmtree(target)
        os.rename(finished, target)
    finally:
        shutil.rmtree(scratch)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("recipe", choices=names(), metavar="recipe")
    parser.add_argument("target", help="the archive to write; with a / at its end, a directory with an OCI layout")
    parser.add_argument("--tag", help="the image's name inside the archive (default: the recipe's, :latest)")
    parser.add_argument(
        "--cache",
        help="where layers that others build upon are kept (default: nowhere); on the\ntarget's own filesystem",
    )
    arguments = parser.parse_args()
    if PRIVATE not in os.environ:  # no mount of ours is ever seen outside, or outlives us
        os.environ[PRIVATE] = "1"
        os.execvp("unshare", ["unshare", "--mount", "--propagation=private", sys.executable, *sys.argv])
    if arguments.cache:
        os.makedirs(arguments.cache, exist_ok=True)
    build(read(arguments.recipe), arguments.tag or f"{arguments.recipe}:latest", arguments.target, arguments.cache)


if __name__ == "__main__":
    main()
