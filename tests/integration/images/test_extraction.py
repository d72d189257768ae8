"""What an image's layers show without being unpacked is, entry by entry, what other programs extract of them."""

from __future__ import annotations

import json
import subprocess
import tarfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cntr_slimmer.runs.imported import original_image

from cntr_core.images import open_image
from cntr_core.images.tree.layers import open_layers
from cntr_core.images.write.compress import Compression
from cntr_core.images.write.destination import parse_destination
from cntr_core.images.write.pack import pack
from tests.unit.images.layouts import Layout, directory, file, member, symlink, tar, tree
from tests.unit.images.tree.layered import described

pytestmark = pytest.mark.requires("root", "overlayfs")
HANG = 120
_CAPABILITY = "\x01\x00\x00\x02\x00\x20" + "\x00" * 14  # cap_net_raw, effective (capabilities(7))
_LAYERS = (
    tar(
        directory(".", mtime=900_000_000),
        directory("d", mode=0o1777, mtime=1_000_000_000),
        file("d/setuid", b"s" * 5000, mode=0o6755, uid=7, gid=9),
        file("d/replaced", b"old"),
        file("d/hidden", b"old"),
        # Docker gives a file what its links' members say, and umoci does not: they must say the same, as they do.
        member("hard", tarfile.LNKTYPE, linkname="d/setuid", mode=0o6755, uid=7, gid=9),
        symlink("link", "d/setuid"),
        symlink("lib", "d"),
        directory("opaque"),
        file("opaque/old", b"old"),
        member("fifo", tarfile.FIFOTYPE, mode=0o622),
        file("capable", b"c", pax_headers={"SCHILY.xattr.security.capability": _CAPABILITY}),
        file("größe", b"umlaut"),
    ),
    tar(
        directory(".", mtime=950_000_000),
        file("d/.wh.hidden"),
        directory("opaque", mtime=1_300_000_000),
        file("opaque/.wh..wh..opq"),
        file("opaque/new", b"new"),
        file("d/replaced", b"new", mode=0o600, mtime=1_100_000_000),
        directory("d", mode=0o755, mtime=1_200_000_000),
        directory("empty", mode=0o700, uid=3),
    ),
)


@pytest.fixture(params=["odd", "nginx"])
def image(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The path of an OCI layout with one image."""
    place = tmp_path / "layout"
    if request.param == "odd":
        made = Layout()
        named = {"org.opencontainers.image.ref.name": "image"}
        return made.top(made.image(list(_LAYERS), annotations=named)).write(str(place))
    with tarfile.open(request.getfixturevalue("nginx_archive")) as archive:
        archive.extractall(place)
    return str(place)


def _shown(image: str) -> dict[str, tuple[object, ...]]:
    with open_image(image) as opened, open_layers(opened) as layers:
        return described(layers)


@pytest.mark.requires("umoci")
def test_umoci_extracts_the_same(image: str, tmp_path: Path) -> None:
    index = json.loads(Path(image, "index.json").read_text())
    name = index["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"]
    line = ["umoci", "unpack", "--image", f"{image}:{name}", tmp_path / "bundle"]
    subprocess.run(line, check=True, capture_output=True, timeout=HANG)
    assert tree(tmp_path / "bundle/rootfs") == _shown(image)


@pytest.mark.requires("docker", "docker-cli")
def test_dockers_overlay2_has_the_same(image: str, tmp_path: Path) -> None:
    with _in_docker(image, tmp_path) as name:
        line = ["docker", "image", "inspect", "--format", "{{json .GraphDriver.Data}}", name]
        data = json.loads(subprocess.run(line, check=True, capture_output=True, timeout=HANG).stdout)
        below = [data["UpperDir"], *filter(None, data.get("LowerDir", "").split(":"))]
        place = tmp_path / "mounted"
        place.mkdir()
        _mount(below, place)
        try:
            assert _without_roots_time(tree(place)) == _without_roots_time(_shown(image))
        finally:
            subprocess.run(["umount", place], check=True)


def _without_roots_time(tree: dict[str, tuple[object, ...]]) -> dict[str, tuple[object, ...]]:
    """Docker does not keep it."""
    return {**tree, ".": (*tree["."][:3], *tree["."][4:])}


def _mount(below: list[str], place: Path) -> None:
    if len(below) == 1:
        subprocess.run(["mount", "--bind", below[0], place], check=True)
    else:
        subprocess.run(["mount", "-t", "overlay", "-o", f"ro,lowerdir={':'.join(below)}", "image", place], check=True)


@contextmanager
def _in_docker(image: str, work: Path) -> Iterator[str]:
    """The image's name in docker, whence it goes again."""
    name = f"cntr-test/{uuid.uuid4().hex[:12]}:1"
    with open_image(image) as opened, open_layers(opened) as layers:
        packed = pack(original_image(opened.config, layers, str(work)), str(work), Compression.NONE)
        parse_destination(str(work / "load.tar")).save([(name, packed)])
    try:
        subprocess.run(["docker", "load", "--input", work / "load.tar"], check=True, capture_output=True, timeout=HANG)
        yield name
    finally:
        subprocess.run(["docker", "rmi", "--force", name], check=False, capture_output=True, timeout=HANG)
