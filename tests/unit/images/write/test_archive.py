"""Archives that are an OCI and a docker archive in one."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest

from cntr_core.errors import ImageError
from cntr_core.images import Platform, open_image
from cntr_core.images.write.archive import archive, write_archive
from cntr_core.images.write.compress import Compression
from cntr_core.images.write.pack import pack
from tests.unit.images.layouts import file, tar
from tests.unit.images.write.making import layers, names, new_image, packed, which

_ALL = pytest.mark.parametrize("compression", list(Compression))


@_ALL
def test_both_images_of_a_pair_are_read_back(tmp_path: Path, compression: Compression) -> None:
    slim = packed(tmp_path / "work", "slim", compression)
    fat = packed(tmp_path / "work", "fat", compression, subject=slim.descriptor)
    path = tmp_path / "pair.tar"
    write_archive(str(path), [("app:slim", slim), ("app:fat", fat)])
    assert which(f"{path}:app:slim") == "slim"
    assert which(f"{path}:app:fat") == "fat"
    with open_image(f"{path}:app:fat") as image:
        assert image.digest == fat.descriptor.digest
        assert image.config.raw == fat.config.read()
    assert names(tmp_path) - names(tmp_path / "work") >= {"pair.tar"}


def test_the_part_for_docker_is_read_back_alone(tmp_path: Path) -> None:
    first, second = tar(file("a", b"a")), tar(file("b", b"b" * 3000))
    image = pack(new_image(tmp_path / "work", first, second), str(tmp_path / "work"))
    write_archive(str(tmp_path / "both.tar"), [("app", image)])
    with tarfile.open(tmp_path / "both.tar") as both, tarfile.open(tmp_path / "docker.tar", "w") as docker:
        for member in both:
            if member.name not in ("oci-layout", "index.json"):
                docker.addfile(member, both.extractfile(member))
    assert layers(open_image(f"{tmp_path}/docker.tar:app:latest")) == [first, second]


def test_what_images_share_is_stored_once(tmp_path: Path) -> None:
    shared, own = tar(file("shared")), tar(file("own"))
    images = [pack(new_image(tmp_path, shared, *more), str(tmp_path)) for more in ((), (own,))]
    write_archive(str(tmp_path / "a.tar"), [("one:1", images[0]), ("two:2", images[1])])
    with tarfile.open(tmp_path / "a.tar") as written:
        members = written.getnames()
    assert len(members) == len(set(members)) == 3 + 2 + 4  # the marks, two layers, two configurations and manifests


def test_an_archive_is_reproducible(tmp_path: Path) -> None:
    first, second = (
        b"".join(archive([("app:1", packed(tmp_path / name, "same")), ("app:2", packed(tmp_path / name, "other"))]))
        for name in "ab"
    )
    assert first == second


def test_platforms_of_one_name_share_an_index(tmp_path: Path) -> None:
    kinds = {"amd64": "", "arm64": "", "arm": "v7"}
    images = [("app:1", packed(tmp_path, arch, architecture=arch, variant=kinds[arch])) for arch in kinds]
    write_archive(str(tmp_path / "a.tar"), images)
    for arch, variant in kinds.items():
        assert which(tmp_path / "a.tar", platform=Platform("linux", arch, variant)) == arch
    with tarfile.open(tmp_path / "a.tar") as written:
        manifest = written.extractfile("manifest.json")
        assert manifest is not None
        [entry] = json.load(manifest)  # docker knows one platform of a name: this machine's
        config = written.extractfile(entry["Config"])
        assert config is not None
        assert json.load(config)["architecture"] == Platform.host().architecture


def test_an_image_without_a_name(tmp_path: Path) -> None:
    write_archive(str(tmp_path / "a.tar"), [("", packed(tmp_path, "nameless"))])
    assert which(tmp_path / "a.tar") == "nameless"


def test_a_failure_leaves_the_old_archive_and_nothing_else(tmp_path: Path) -> None:
    image = packed(tmp_path / "work", "new")
    target = tmp_path / "out"
    target.mkdir()
    write_archive(str(target / "a.tar"), [("app", packed(tmp_path / "work", "old"))])
    with open(str(image.layers[0].content), "ab") as layer:
        layer.write(b"more")
    with pytest.raises(ImageError, match="larger than"):
        write_archive(str(target / "a.tar"), [("app", image)])
    assert names(target) == {"a.tar"}
    assert which(target / "a.tar") == "old"


def test_a_directory_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "a.tar").mkdir()
    with pytest.raises(ImageError, match=r"a\.tar cannot be written") as caught:
        write_archive(str(tmp_path / "a.tar"), [("app", packed(tmp_path / "work", "new"))])
    assert caught.value.hint
    assert names(tmp_path) == {f"work/{name}" for name in names(tmp_path / "work")}
