"""Layouts: new ones, and images put beside others."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from cntr_core.errors import ImageError
from cntr_core.images import Platform, open_image
from cntr_core.images.write.compress import Compression
from cntr_core.images.write.layout import write_layout
from tests.unit.images.layouts import INDEX, Layout, file, tar
from tests.unit.images.write.making import names, packed, which

_ARM = Platform("linux", "arm64")
_AMD = Platform("linux", "amd64")


def _top(path: Path) -> list[dict[str, Any]]:
    with open(path / "index.json", "rb") as index:
        return json.load(index)["manifests"]  # type: ignore[no-any-return]  # JSON


def _nested(path: Path, entry: dict[str, Any]) -> dict[str, Any]:
    with open(path / "blobs" / entry["digest"].replace(":", "/"), "rb") as index:
        return json.load(index)  # type: ignore[no-any-return]  # JSON


@pytest.mark.parametrize("compression", list(Compression))
@pytest.mark.parametrize("there", [True, False])
def test_a_new_layout(tmp_path: Path, compression: Compression, there: bool) -> None:
    if there:
        (tmp_path / "out").mkdir()
    slim = packed(tmp_path / "work", "slim", compression)
    fat = packed(tmp_path / "work", "fat", compression, subject=slim.descriptor)
    write_layout(str(tmp_path / "out") + "/", [("app:slim", slim), ("app:fat", fat)])
    assert which(f"{tmp_path}/out:app:slim") == "slim"
    assert which(f"{tmp_path}/out:app:fat") == "fat"
    assert {name.split("/")[0] for name in names(tmp_path)} == {"out", "work"}
    assert oct(os.stat(tmp_path / "out").st_mode & 0o777 | 0o700) == oct(0o777 & ~_umask())


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_what_is_there_stays(tmp_path: Path) -> None:
    made = Layout()
    other = made.image([tar(file("which", b"other"))], annotations={"org.opencontainers.image.ref.name": "other"})
    path = made.top({**other, "unknown": [1]}).write(str(tmp_path / "out"))
    document = json.loads((tmp_path / "out/index.json").read_bytes())
    (tmp_path / "out/index.json").write_text(json.dumps({**document, "annotations": {"ours": "no"}}))
    write_layout(path, [("app", packed(tmp_path, "new"))])
    assert which(f"{path}:other") == "other"
    assert which(f"{path}:app") == "new"
    assert _top(tmp_path / "out")[0]["unknown"] == [1]
    assert json.loads((tmp_path / "out/index.json").read_bytes())["annotations"] == {"ours": "no"}


def test_the_same_name_again_replaces_the_image(tmp_path: Path) -> None:
    for text in ("old", "new", "new"):
        write_layout(str(tmp_path / "out"), [("app", packed(tmp_path / "work", text))])
    assert which(tmp_path / "out") == "new"
    assert len(_top(tmp_path / "out")) == 1


def test_nameless_images_are_added_once(tmp_path: Path) -> None:
    for text in ("one", "two", "two"):
        write_layout(str(tmp_path / "out"), [("", packed(tmp_path / "work", text))])
    assert len(_top(tmp_path / "out")) == 2


@pytest.mark.parametrize("states", [True, False], ids=["stated", "only in the configuration"])
def test_another_platform_of_the_name_stays(tmp_path: Path, states: bool) -> None:
    made = Layout()
    name = {"org.opencontainers.image.ref.name": "app"}
    platform = {"platform": {"os": "linux", "architecture": "arm64"}} if states else {}
    arm = made.image([tar(file("which", b"arm"))], architecture="arm64", annotations=name, **platform)
    path = made.top(arm).write(str(tmp_path / "out"))
    for text in ("amd-1", "amd-2"):
        write_layout(path, [("app", packed(tmp_path, text, architecture="amd64"))])
        assert which(f"{path}:app", platform=_AMD) == text
    assert which(f"{path}:app", platform=Platform("linux", "arm64", "v8")) == "arm"
    [entry] = _top(tmp_path / "out")
    assert entry["mediaType"] == INDEX
    assert len(_nested(tmp_path / "out", entry)["manifests"]) == 2


def test_one_platform_of_an_index_is_replaced(tmp_path: Path) -> None:
    made = Layout()
    arm = made.image([tar(file("which", b"arm"))], architecture="arm64")
    arm["platform"] = {"os": "linux", "architecture": "arm64", "variant": "v8"}
    amd = made.image([tar(file("which", b"amd"))], architecture="amd64")
    amd["platform"] = {"os": "linux", "architecture": "amd64"}
    about = [_attestation(made, one) for one in (arm, amd)]
    nested = made.blob(made.index(arm, amd, *about), INDEX)
    nested["annotations"] = {"org.opencontainers.image.ref.name": "app", "mine": "kept"}
    path = made.top(nested).write(str(tmp_path / "out"))
    write_layout(path, [("app", packed(tmp_path, "new", architecture="arm64"))])
    assert which(path, platform=_ARM) == "new"
    assert which(path, platform=_AMD) == "amd"
    [entry] = _top(tmp_path / "out")
    assert entry["annotations"]["mine"] == "kept"
    left = _nested(tmp_path / "out", entry)["manifests"]
    assert amd in left and about[1] in left
    assert arm not in left and about[0] not in left


def _attestation(made: Layout, about: dict[str, Any]) -> dict[str, Any]:
    annotations = {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": about["digest"]}
    platform = {"os": "unknown", "architecture": "unknown"}
    return made.image([], architecture="unknown", annotations=annotations, platform=platform)


def test_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/precious").write_text("mine")
    with pytest.raises(ImageError, match="other files in it") as caught:
        write_layout(str(tmp_path / "out"), [("app", packed(tmp_path, "new"))])
    assert "empty directory" in caught.value.hint
    assert names(tmp_path / "out") == {"precious"}


def test_a_failure_changes_nothing(tmp_path: Path) -> None:
    good, bad = packed(tmp_path / "work", "good"), packed(tmp_path / "work", "bad")
    write_layout(str(tmp_path / "out"), [("app", packed(tmp_path / "work", "old"))])
    before = {name: (tmp_path / "out" / name).read_bytes() for name in names(tmp_path / "out")}
    with open(str(bad.layers[0].content), "ab") as layer:
        layer.write(b"more")
    with pytest.raises(ImageError, match="larger than"):
        write_layout(str(tmp_path / "out"), [("good", good), ("bad", bad)])
    assert {name: (tmp_path / "out" / name).read_bytes() for name in names(tmp_path / "out")} == before
    with pytest.raises(ImageError, match="larger than"):
        write_layout(str(tmp_path / "other"), [("good", good), ("bad", bad)])
    assert not (tmp_path / "other").exists()


def test_a_link_in_the_layout_leads_nowhere_outside(tmp_path: Path) -> None:
    path = Layout().top().write(str(tmp_path / "out"))
    (tmp_path / "outside/sha256").mkdir(parents=True)
    os.symlink("../outside", tmp_path / "out/blobs")
    with pytest.raises(ImageError, match="cannot be written"):
        write_layout(path, [("app", packed(tmp_path / "work", "new"))])
    assert not os.listdir(tmp_path / "outside/sha256")


def test_a_damaged_blob_of_the_same_name_is_repaired(tmp_path: Path) -> None:
    image = packed(tmp_path / "work", "new")
    write_layout(str(tmp_path / "out"), [("app", image)])
    with open(tmp_path / "out" / image.layers[0].path, "wb") as blob:
        blob.write(b"short")
    write_layout(str(tmp_path / "out"), [("app", image)])
    assert which(tmp_path / "out") == "new"


def test_a_damaged_layout_is_said(tmp_path: Path) -> None:
    write_layout(str(tmp_path / "out"), [("app", packed(tmp_path / "work", "old"))])
    (tmp_path / "out/index.json").write_text('{"manifests": 3}')
    with pytest.raises(ImageError, match="manifests"):
        write_layout(str(tmp_path / "out"), [("app", packed(tmp_path / "work", "new"))])


def test_the_digest_is_that_of_the_packed_image(tmp_path: Path) -> None:
    image = packed(tmp_path / "work", "new")
    write_layout(str(tmp_path / "out"), [("app", image)])
    with open_image(str(tmp_path / "out")) as opened:
        assert opened.digest == image.descriptor.digest
