#!/usr/bin/env python3
"""Make an image from Debian packages, as one archive that every tool reads.

    build.py nginx nginx.tar

Needs root, mmdebstrap (busybox-static for the recipe busybox), and the apt sources of this machine: nothing
is pulled from an image registry. The archive is an OCI layout and a docker archive in one. Uses the standard
library alone, so it runs before anything is installed. Recipes are the directories below images/.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import platform
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from typing import Any

from layers import make_base, make_layer, run
from recipes import IMAGES, Recipe, names, read

LAYER = "application/vnd.oci.image.layer.v1.tar"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
PRIVATE = "CNTR_CORPUS_PRIVATE"


def make_layers(recipe: Recipe, base: str, scratch: str) -> list[str]:
    """The tars of all layers, lowest first; `base` is where Debian's is kept, or will be."""
    tars, below = [], []
    if not recipe.scratch:
        if not os.path.exists(base):
            make_base(base)
        tars.append(base)
    if recipe.layers:
        below.append(os.path.join(scratch, "base"))
        os.mkdir(below[0])
        for tar in tars:
            run(["tar", "--extract", "--file", tar, "--directory", below[0], "--numeric-owner", "--xattrs"])
    for number, layer in enumerate(recipe.layers):
        place = os.path.join(scratch, f"layer{number}")
        os.mkdir(place)
        tars.append(f"{place}.tar")
        below.insert(0, make_layer(layer, below, place, tars[-1]))
    return tars


def sha256(path: str) -> str:
    with open(path, "rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def descriptor(media_type: str, blob: bytes) -> dict[str, Any]:
    return {
        "mediaType": media_type,
        "digest": f"sha256:{hashlib.sha256(blob).hexdigest()}",
        "size": len(blob),
    }


def pack(recipe: Recipe, layers: Sequence[str], tag: str, target: str) -> None:
    """Write the archive around uncompressed layers: as docker 25 saves images and older ones load them."""
    parts = [{"mediaType": LAYER, "digest": sha256(path), "size": os.path.getsize(path)} for path in layers]
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
    with tarfile.open(target, "w") as archive:
        add(archive, "oci-layout", b'{"imageLayoutVersion": "1.0.0"}')
        add(archive, "index.json", json.dumps({"schemaVersion": 2, "manifests": [named]}).encode())
        add(archive, "manifest.json", json.dumps([docker]).encode())
        add(archive, blob_path(config_part), config)
        add(archive, blob_path(named), manifest)
        for path, part in zip(layers, parts, strict=True):
            archive.add(path, blob_path(part))


def blob_path(part: dict[str, Any]) -> str:
    return f"blobs/{part['digest'].replace(':', '/')}"


def add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("recipe", choices=names())
    parser.add_argument("target", help="the archive to write")
    parser.add_argument("--tag", help="the image's name inside the archive (default: the recipe's, :latest)")
    parser.add_argument("--base", help="where Debian's base is kept as a tar between builds (default: nowhere)")
    arguments = parser.parse_args()
    if PRIVATE not in os.environ:  # no mount of ours is ever seen outside, or outlives us
        os.environ[PRIVATE] = "1"
        os.execvp("unshare", ["unshare", "--mount", "--propagation=private", sys.executable, *sys.argv])
    os.environ |= {"PYTHON": sys.executable, "HERE": os.path.join(IMAGES, arguments.recipe)}
    recipe = read(arguments.recipe)
    scratch = tempfile.mkdtemp(prefix="corpus-", dir=os.path.dirname(os.path.abspath(arguments.target)))
    try:
        layers = make_layers(recipe, arguments.base or os.path.join(scratch, "base.tar"), scratch)
        finished = os.path.join(scratch, "image.tar")
        pack(recipe, layers, arguments.tag or f"{arguments.recipe}:latest", finished)
        os.replace(finished, arguments.target)
    finally:
        shutil.rmtree(scratch)


if __name__ == "__main__":
    main()
