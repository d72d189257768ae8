#!/usr/bin/env python3
"""Make an image from Debian packages, as one archive that every tool reads.

    build.py nginx nginx.tar

Needs root, mmdebstrap (busybox-static for the recipe busybox), and the apt sources of this machine: nothing
is pulled from an image registry. The archive is an OCI layout and a docker archive in one. Uses the standard
library alone, so it runs before anything is installed.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import platform
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from typing import Any

LAYER = "application/vnd.oci.image.layer.v1.tar"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class Recipe:
    """`packages` beside Debian's minbase, shell `hooks` with the root as $1, and the image's `config`."""

    config: dict[str, Any]
    packages: tuple[str, ...] = ()
    hooks: tuple[str, ...] = ()


DEBIAN = Recipe(config={"Env": [f"PATH={PATH}"], "Cmd": ["bash"]})
NGINX = Recipe(
    packages=("nginx-light",),
    hooks=(
        'echo "served by cntr demo" > "$1/var/www/html/index.html"',
        'ln -sf /dev/stdout "$1/var/log/nginx/access.log"',
        'ln -sf /dev/stderr "$1/var/log/nginx/error.log"',
        # A machine whose kernel has no IPv6 refuses to start nginx with this line.
        'sed -i "/listen \\[::\\]/d" "$1/etc/nginx/sites-available/default"',
    ),
    config={
        "Env": [f"PATH={PATH}"],
        "Entrypoint": ["nginx"],
        "Cmd": ["-g", "daemon off;"],
        "ExposedPorts": {"80/tcp": {}},
        "StopSignal": "SIGQUIT",
    },
)
BUSYBOX = Recipe(config={"Env": ["PATH=/bin"], "Entrypoint": ["/bin/busybox"], "Cmd": ["sleep", "1000000"]})
RECIPES = {"busybox": BUSYBOX, "debian": DEBIAN, "nginx": NGINX}


def apt_sources() -> str:
    """The file that names this machine's own package archive."""
    for path in ("sources.list.d/debian.sources", "sources.list.d/ubuntu.sources", "sources.list"):
        if os.path.exists(full := f"/etc/apt/{path}"):
            return full
    raise SystemExit("build.py: no apt sources found below /etc/apt")


def debian_root(recipe: Recipe, tar: str) -> None:
    """A Debian root as a tar: minbase without documentation, plus the recipe's packages."""
    command = ["mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", "--format=tar"]
    command += [f"--dpkgopt=path-exclude=/usr/share/{path}/*" for path in ("doc", "man", "locale", "info")]
    command += [f"--customize-hook={hook}" for hook in recipe.hooks]
    if recipe.packages:
        command.append("--include=" + ",".join(recipe.packages))
    command += [platform.freedesktop_os_release()["VERSION_CODENAME"], tar, apt_sources()]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


def busybox_root(_recipe: Recipe, tar: str) -> None:
    """One static program and nothing else, as ``FROM scratch`` images have it."""
    with tarfile.open(tar, "w") as archive:
        directory = tarfile.TarInfo("bin")
        directory.type, directory.mode = tarfile.DIRTYPE, 0o755
        archive.addfile(directory)
        program = shutil.which("busybox") or "/bin/busybox"
        member = archive.gettarinfo(program, "bin/busybox")
        member.uid = member.gid = 0
        member.uname = member.gname = ""
        with open(program, "rb") as content:
            archive.addfile(member, content)


def sha256(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def descriptor(media_type: str, blob: bytes) -> dict[str, Any]:
    return {
        "mediaType": media_type,
        "digest": f"sha256:{hashlib.sha256(blob).hexdigest()}",
        "size": len(blob),
    }


def pack(recipe: Recipe, layer: str, tag: str, target: str) -> None:
    """Write the archive around one uncompressed layer: as docker 25 saves images and older ones load them."""
    diff_id = sha256(layer)
    config = json.dumps(
        {
            "architecture": ARCHITECTURES[platform.machine()],
            "os": "linux",
            "config": recipe.config,
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{diff_id}"]},
            "history": [{"created_by": "evaluation/corpus/build.py"}],
        }
    ).encode()
    config_part = descriptor(CONFIG, config)
    layer_part = {"mediaType": LAYER, "digest": f"sha256:{diff_id}", "size": os.path.getsize(layer)}
    manifest = json.dumps(
        {"schemaVersion": 2, "mediaType": MANIFEST, "config": config_part, "layers": [layer_part]}
    ).encode()
    named = descriptor(MANIFEST, manifest) | {"annotations": {"org.opencontainers.image.ref.name": tag}}
    docker = {"Config": blob_path(config_part), "RepoTags": [tag], "Layers": [blob_path(layer_part)]}
    with tarfile.open(target, "w") as archive:
        add(archive, "oci-layout", b'{"imageLayoutVersion": "1.0.0"}')
        add(archive, "index.json", json.dumps({"schemaVersion": 2, "manifests": [named]}).encode())
        add(archive, "manifest.json", json.dumps([docker]).encode())
        add(archive, blob_path(config_part), config)
        add(archive, blob_path(named), manifest)
        archive.add(layer, blob_path(layer_part))


def blob_path(part: dict[str, Any]) -> str:
    return f"blobs/{part['digest'].replace(':', '/')}"


def add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("recipe", choices=sorted(RECIPES))
    parser.add_argument("target", help="the archive to write")
    parser.add_argument("--tag", help="the image's name inside the archive (default: the recipe's, :latest)")
    arguments = parser.parse_args()
    recipe = RECIPES[arguments.recipe]
    make_root = busybox_root if arguments.recipe == "busybox" else debian_root
    with tempfile.TemporaryDirectory(dir=os.path.dirname(os.path.abspath(arguments.target))) as scratch:
        layer = os.path.join(scratch, "layer.tar")
        make_root(recipe, layer)
        finished = os.path.join(scratch, "image.tar")
        pack(recipe, layer, arguments.tag or f"{arguments.recipe}:latest", finished)
        os.replace(finished, arguments.target)


if __name__ == "__main__":
    main()
