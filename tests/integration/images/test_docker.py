"""Docker takes what we write, runs it, and says why where it does not."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cntr_plugins.engines.docker.engine import DockerEngine

from cntr_core.errors import EngineError, ImageError
from cntr_core.images import Budget, open_image
from cntr_core.images.write.compress import Compression
from cntr_core.images.write.destination import parse_destination
from cntr_core.images.write.new_image import Blob, NewImage
from cntr_core.images.write.pack import pack
from cntr_core.plugins import load
from tests.integration.images.conftest import HANG
from tests.support.images import docker_image
from tests.unit.images.layouts import file, tar
from tests.unit.images.write.making import ROOM, layers, new_image, packed

pytestmark = pytest.mark.requires("docker", "docker-cli", "busybox")


@pytest.fixture
def tag() -> Iterator[str]:
    """A name for an image, which is removed after the test."""
    name = f"cntr-test/{uuid.uuid4().hex[:12]}:new"
    yield name
    _docker("rmi", "--force", name, name.replace(":new", ":fat"))


def _docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, timeout=HANG, check=False)
    return done.stdout.decode() + done.stderr.decode()


def _new(busybox_archive: str, work: Path) -> NewImage:
    """The busybox image with one more layer."""
    with open_image(busybox_archive) as image:
        opened = image.open_layer(image.layers[0], Budget(ROOM, ROOM))
        content = b"".join(iter(lambda: opened.read(1 << 20), b""))
    return new_image(work, content, tar(file("which", b"ours\n")), Entrypoint=["/bin/busybox"], Cmd=["cat", "/which"])


@pytest.mark.parametrize("compression", [Compression.NONE, Compression.GZIP])
def test_docker_loads_and_runs_an_archive(
    tmp_path: Path, busybox_archive: str, tag: str, compression: Compression
) -> None:
    image = pack(_new(busybox_archive, tmp_path / "work"), str(tmp_path), compression)
    fat = packed(tmp_path, "fat", subject=image.descriptor)
    path = tmp_path / "pair.tar"
    parse_destination(str(path)).save([(tag, image), (tag.replace(":new", ":fat"), fat)])
    assert f"Loaded image: {tag}" in _docker("load", "--input", str(path))
    assert _docker("run", "--rm", tag) == "ours\n"
    assert _docker("image", "inspect", "--format={{.Id}}", tag).strip() == image.config.descriptor.digest
    assert fat.config.descriptor.digest in _docker("image", "inspect", tag.replace(":new", ":fat"))


def test_the_engine_takes_an_image_and_gives_it_back(tmp_path: Path, busybox_archive: str, tag: str) -> None:
    new = _new(busybox_archive, tmp_path / "work")
    destination = parse_destination(f"docker://{tag}", load().engines)
    destination.save([("", pack(new, str(tmp_path), destination.compression))])
    assert _docker("run", "--rm", tag) == "ours\n"
    opened = open_image(f"docker://{tag}", engines=load().engines)
    assert opened.config.raw == new.config
    assert [len(layer) for layer in layers(opened)] == [layer.size for layer in new.layers]


@pytest.fixture
def repository() -> Iterator[str]:
    """A name with the tags latest, also (of the same image) and other."""
    name, source = f"cntr-test/{uuid.uuid4().hex[:12]}", docker_image("busybox")
    for tag in ("latest", "also"):
        _docker("tag", source, f"{name}:{tag}")
    subprocess.run(
        ["docker", "build", "-q", "-t", f"{name}:other", "-"],
        input=f"FROM {source}\nENV other=1".encode(),
        check=True,
        capture_output=True,
        timeout=HANG,
    )
    yield name
    _docker("rmi", "--force", f"{name}:latest", f"{name}:also", f"{name}:other")


def test_one_image_comes_of_a_name_with_several(repository: str) -> None:
    def opened(name: str) -> bool:
        with open_image(f"docker://{name}", engines=load().engines) as image:
            return "other" in image.config.environment

    identifier = _docker("image", "inspect", "--format={{.Id}}", f"{repository}:other").strip()
    assert [opened(name) for name in (repository, f"{repository}:latest", f"{repository}:also")] == [False] * 3
    others = (f"{repository}:other", identifier, identifier.removeprefix("sha256:"), identifier[7:19])
    assert [opened(name) for name in others] == [True] * 4


def test_no_tag_means_latest(repository: str) -> None:
    _docker("rmi", f"{repository}:latest")
    with pytest.raises(ImageError, match="docker has no such image"):
        open_image(f"docker://{repository}", engines=load().engines)


def test_an_image_that_docker_does_not_hold() -> None:
    with pytest.raises(ImageError, match="docker has no such image"):
        open_image("docker://no-such-image", engines=load().engines)


@pytest.mark.parametrize(
    "pieces", [[b"nonsense" * 1000], [bytes(10240)], []], ids=["nonsense", "no members", "nothing"]
)
def test_what_is_no_image(pieces: list[bytes]) -> None:
    with pytest.raises(EngineError, match=r"^docker (refused|does not take the image): ") as caught:
        DockerEngine().import_image(pieces)
    assert "log" in caught.value.hint


def test_an_image_that_docker_cannot_unpack(tmp_path: Path, tag: str) -> None:
    image = packed(tmp_path, tag, Compression.ZSTD)
    text = image.layers[0].read()
    spoilt = replace(image, layers=(Blob.of_bytes(text[:40] + bytes(40), Compression.ZSTD.media_type),))
    with pytest.raises(EngineError, match="docker does not take the image: Error processing tar file"):
        parse_destination(f"docker://{tag}", [DockerEngine()]).save([("", spoilt)])
    assert tag not in _docker("images")


def test_a_failure_of_ours_reaches_the_caller(tmp_path: Path, tag: str) -> None:
    image = packed(tmp_path, tag, Compression.NONE)
    layer = image.layers[0]
    with open(str(layer.content), "r+b") as content:
        content.truncate(512)
    with pytest.raises(ImageError, match="has 512 bytes where"):
        parse_destination(f"docker://{tag}", [DockerEngine()]).save([("", image)])
    assert tag not in _docker("images")


def test_an_engine_that_takes_no_images() -> None:
    [pid] = [engine for engine in load().engines if engine.name == "pid"]
    with pytest.raises(EngineError, match="pid cannot take images") as caught:
        pid.import_image([])
    assert "archive" in caught.value.hint
