"""Opening images: every form they come in, the right one of several, and a sentence where there is none."""

from __future__ import annotations

import json
import os
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from cntr_core.errors import EngineError, ImageError
from cntr_core.images import Image, ImageConfig, Platform, open_image, remove_tree, unpack
from tests.unit.images.layouts import (
    ARCHITECTURE,
    COMPRESSORS,
    INDEX,
    Layout,
    MemberSpec,
    directory,
    docker_archive,
    file,
    layout,
    symlink,
    tar,
    write,
)

OTHER = "arm64" if ARCHITECTURE == "amd64" else "amd64"
REF_NAME = "org.opencontainers.image.ref.name"


def _content(image: Image, tmp_path: Path) -> str:
    """What the image's file /which says."""
    with image:
        unpack(image, str(tmp_path / "root"))
    return (tmp_path / "root/which").read_text()


def _which(text: str) -> bytes:
    return tar(file("which", text.encode()))


def _named(name: str) -> dict[str, Any]:
    return {"annotations": {REF_NAME: name}}


def _for(architecture: str, variant: str = "") -> dict[str, Any]:
    return {"platform": {"os": "linux", "architecture": architecture, "variant": variant}}


def _write_tar(path: Path, files: dict[str, bytes], *more: MemberSpec) -> str:
    return write(path, tar(*(file(name, content) for name, content in files.items()), *more))


@pytest.mark.parametrize("compression", COMPRESSORS)
def test_an_oci_archive_may_be_compressed(tmp_path: Path, compression: str) -> None:
    made = Layout()
    made.top(made.image([_which("archive")]))
    path = write(tmp_path / "image.tar", COMPRESSORS[compression](made.tar()))
    assert _content(open_image(path), tmp_path) == "archive"


def test_names_in_an_archive_may_start_with_a_dot(tmp_path: Path) -> None:
    made = Layout()
    made.top(made.image([_which("dots")]))
    path = _write_tar(tmp_path / "image.tar", {f"./{name}": content for name, content in made.files.items()})
    assert _content(open_image(path), tmp_path) == "dots"


def test_a_docker_archive_with_a_layer_that_is_a_link(tmp_path: Path) -> None:
    layers = [_which("first"), _which("second")]
    files = docker_archive(layers)
    linked = next(name for name, content in files.items() if content == layers[1])
    files["elsewhere/layer.tar"] = files.pop(linked)
    path = _write_tar(tmp_path / "image.tar", files, symlink(linked, "../elsewhere/layer.tar"))
    assert _content(open_image(path), tmp_path) == "second"


@pytest.mark.parametrize("spoil", ["config", "layer", "missing"])
def test_a_damaged_docker_archive_is_refused(tmp_path: Path, spoil: str) -> None:
    files = docker_archive([_which("x")])
    layer = next(name for name in files if name.endswith("layer.tar"))
    config = next(name for name in files if name.endswith(".json") and name != "manifest.json")
    if spoil == "config":
        files[config] = files[config].replace(b"linux", b"Linux")
    elif spoil == "layer":
        files[layer] = _which("y")
    else:
        del files[layer]
    path = _write_tar(tmp_path / "image.tar", files)
    with pytest.raises(ImageError, match=r"digest|missing from the archive"):
        _content(open_image(path), tmp_path)
    assert not (tmp_path / "root").exists()


@pytest.mark.parametrize("compression", COMPRESSORS)
def test_a_root_tarball(tmp_path: Path, compression: str) -> None:
    """A root may hold files with the names of an image's parts."""
    root = tar(directory("etc"), file("which", b"root"), file("manifest.json", b"{}"), file("index.json", b"[]"))
    path = write(tmp_path / "root.tar", COMPRESSORS[compression](root))
    image = open_image(path)
    assert (image.config.cmd, image.config.platform, image.digest) == ((), Platform("linux", ARCHITECTURE), "")
    assert _content(image, tmp_path) == "root"


def test_a_real_archive_from_its_recipe(tmp_path: Path, busybox_archive: str) -> None:
    with open_image(busybox_archive) as image:
        assert image.config.entrypoint == ("/bin/busybox",)
        assert image.config.cmd == ("sleep", "1000000")
        assert image.digest.startswith("sha256:")
        unpack(image, str(tmp_path / "root"))
    assert os.listdir(tmp_path / "root/bin") == ["busybox"]


# --- One of several ---------------------------------------------------------------------------------------------------


def test_the_platform_of_this_machine_is_chosen_through_nested_indexes(tmp_path: Path) -> None:
    made = Layout()
    inner = made.index(
        made.image([_which("other")], architecture=OTHER, **_for(OTHER)),
        made.image([_which("ours")], **_for(ARCHITECTURE)),
        made.image(
            [_which("attestation")], architecture="unknown", platform={"os": "unknown", "architecture": "unknown"}
        ),
    )
    path = made.top(made.blob(inner, INDEX)).write(str(tmp_path / "image"))
    assert _content(open_image(path), tmp_path) == "ours"


def test_another_platform_can_be_asked_for(tmp_path: Path) -> None:
    made = Layout()
    made.top(
        made.image([_which("v6")], architecture="arm", **_for("arm", "v6")),
        made.image([_which("v7")], architecture="arm", **_for("arm", "v7")),
    )
    path = made.write(str(tmp_path / "image"))
    assert _content(open_image(path, platform=Platform.parse("linux/arm/v7")), tmp_path) == "v7"


@pytest.mark.parametrize("platform", [_for(OTHER), {}], ids=["named", "not-named"])
def test_a_foreign_image_is_refused_by_its_platform(tmp_path: Path, platform: dict[str, Any]) -> None:
    made = Layout()
    path = made.top(made.image([_which("x")], architecture=OTHER, **platform)).write(str(tmp_path / "image"))
    with pytest.raises(ImageError, match=f"it is for linux/{OTHER}, not for linux/{ARCHITECTURE}"):
        open_image(path)


@pytest.mark.parametrize("form", ["directory", "archive"])
def test_one_of_several_images_is_chosen_by_name_or_digest(tmp_path: Path, form: str) -> None:
    made = Layout()
    images = [made.image([_which(name)], **_named(name)) for name in ("one", "two:latest")]
    made.top(*images)
    path = str(tmp_path / "image")
    if form == "directory":
        made.write(path)
    else:
        write(path, made.tar())
    with pytest.raises(ImageError, match="it holds several images") as raised:
        open_image(path)
    assert raised.value.hint == "name one of them after a colon: one, two:latest"
    with pytest.raises(ImageError, match="no image named 'three'"):
        open_image(f"{path}:three")
    with open_image(f"{path}:{images[0]['digest']}") as image:
        assert image.digest == images[0]["digest"]
    assert _content(open_image(f"{path}:two:latest"), tmp_path) == "two:latest"


def test_one_of_several_images_of_a_docker_archive_is_chosen_by_tag(tmp_path: Path) -> None:
    files = docker_archive([_which("a")], "a:1")
    second = docker_archive([_which("b")], "b:2")
    manifests = json.loads(files["manifest.json"]) + json.loads(second["manifest.json"])
    path = _write_tar(tmp_path / "i.tar", files | second | {"manifest.json": json.dumps(manifests).encode()})
    with pytest.raises(ImageError, match="several images"):
        open_image(path)
    assert _content(open_image(f"{path}:b:2"), tmp_path) == "b"


# --- From an engine ---------------------------------------------------------------------------------------------------


class Holder:
    """An engine that has one image."""

    def __init__(self, name: str, image: str, archive: bytes) -> None:
        self.name = name
        self._image = image
        self._archive = archive

    def export_image(self, name: str) -> Iterable[bytes] | None:
        step = 10_001
        pieces = (self._archive[at : at + step] for at in range(0, len(self._archive), step))
        return pieces if name == self._image else None


def test_the_standard_input_is_no_image() -> None:
    with (
        pytest.raises(ImageError, match="image -: an image is not read from the standard input") as raised,
        open_image("-"),
    ):
        pass
    assert raised.value.hint == "write it to a file, and give its path"


def test_an_image_comes_from_the_engine_that_holds_it(tmp_path: Path) -> None:
    archive = tar(*(file(name, content) for name, content in docker_archive([_which("held")]).items()))
    engines = [Holder("one", "other", b""), Holder("two", "app:latest", archive)]
    assert _content(open_image("app:latest", engines=engines), tmp_path) == "held"
    with pytest.raises(ImageError, match=r"image nothing: no such file, and no engine has such an image$") as raised:
        open_image("nothing", engines=engines)
    assert "OCI layout" in raised.value.hint


def test_an_engine_that_does_not_answer_is_named_and_passed_over(tmp_path: Path) -> None:
    class Broken(Holder):
        def export_image(self, name: str) -> Iterable[bytes] | None:
            raise EngineError(f"it does not run, so {name} is out of reach")

    archive = tar(*(file(name, content) for name, content in docker_archive([_which("held")]).items()))
    broken = Broken("broken", "", b"")
    assert _content(open_image("app", engines=[broken, Holder("two", "app", archive)]), tmp_path) == "held"
    with pytest.raises(ImageError, match="broken: it does not run, so app is out of reach"):
        open_image("app", engines=[broken])


def test_a_path_is_never_asked_of_an_engine(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="no such file"):
        open_image(str(tmp_path / "nothing"), engines=[Holder("one", str(tmp_path / "nothing"), b"")])


def test_a_scheme_leads_to_its_engine_whatever_files_there_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    layout(tmp_path / "store:/app:1", _which("path"))
    archive = tar(*(file(name, content) for name, content in docker_archive([_which("held")]).items()))
    store, other = Holder("store", "app:1", archive), Holder("other", "app:1", b"")
    assert _content(open_image("store://app:1", engines=[other, store]), tmp_path) == "held"
    remove_tree(str(tmp_path / "root"))
    assert _content(open_image("store://app:1"), tmp_path) == "path"


def test_what_an_engine_lacks_is_told_with_the_whole_reference() -> None:
    with pytest.raises(ImageError, match="image store://app: store has no such image"):
        open_image("store://app", engines=[Holder("store", "other", b"")])


def test_the_bytes_of_an_engine_are_counted() -> None:
    archive = tar(*(file(name, content) for name, content in docker_archive([_which("held")]).items()))
    told: list[int] = []
    open_image("store://app", engines=[Holder("store", "app", archive)], progress=told.append)
    assert sum(told) == len(archive)


# --- Damaged and hostile sources --------------------------------------------------------------------------------------


@pytest.mark.parametrize("damaged", [b"", b"[", b"{}", b"[]", b'[{"Config": 1}]'])
def test_a_docker_archive_with_a_damaged_manifest_is_no_root_directory(tmp_path: Path, damaged: bytes) -> None:
    files = docker_archive([_which("held")]) | {"manifest.json": damaged}
    with pytest.raises(ImageError, match=r"manifest\.json"):
        open_image(_write_tar(tmp_path / "image.tar", files))


def _spoiled(tmp_path: Path, name: str, content: object) -> str:
    made = Layout()
    made.top(made.image([_which("x")]))
    made.files[name] = content if isinstance(content, bytes) else json.dumps(content).encode()
    return made.write(str(tmp_path / "image"))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{", "index.json is not valid JSON"),
        (b"[" * 100_000, "index.json is not valid JSON"),
        ([], "index.json is a list where an object belongs"),
        ({"manifests": {}}, "'manifests' of index.json is an object where a list belongs"),
        ({"manifests": [1]}, "is a number where an object belongs"),
        ({"manifests": [{"digest": 1}]}, "of index.json is a number where a text belongs"),
        ({"manifests": [{"digest": "sha256:00"}]}, "has no valid 'size'"),
        ({"manifests": []}, "it is for nothing"),
        (b" " * (5 << 20), "larger than 4194304 bytes"),
    ],
)
def test_a_nonsensical_index_is_refused(tmp_path: Path, content: object, words: str) -> None:
    with pytest.raises(ImageError) as raised:
        open_image(_spoiled(tmp_path, "index.json", content))
    assert words in raised.value.message


@pytest.mark.parametrize("digest", ["sha256:../../../../etc/passwd", "md5:" + "0" * 32, "sha256:" + "0" * 63, "x"])
def test_a_digest_never_becomes_another_path(tmp_path: Path, digest: str) -> None:
    made = Layout()
    image = made.image([_which("x")]) | {"digest": digest}
    with pytest.raises(ImageError, match="is not a sha256 or sha512 digest"):
        open_image(made.top(image).write(str(tmp_path / "image")))


def _manifest_of(made: Layout, image: dict[str, Any]) -> dict[str, Any]:
    return json.loads(made.files["blobs/" + image["digest"].replace(":", "/")])  # type: ignore[no-any-return] - JSON


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ([], "its manifest has 0 layers, its configuration 1"),
        ([{"mediaType": "application/vnd.oci.image.layer.v1.tar+encrypted-by-us"}], None),
        ([{"mediaType": "application/vnd.in-toto+json"}], "is of the unknown type 'application/vnd.in-toto.json'"),
    ],
)
def test_layers_must_be_as_many_and_of_the_kind_that_the_image_says(
    tmp_path: Path, layers: list[dict[str, Any]], words: str | None
) -> None:
    made = Layout()
    manifest = _manifest_of(made, made.image([_which("x")]))
    manifest["layers"] = [manifest["layers"][0] | layer for layer in layers]
    path = made.top(made.blob(json.dumps(manifest).encode(), manifest["mediaType"])).write(str(tmp_path / "image"))
    if words is None:  # the content decides how it is compressed, whatever the type says
        assert _content(open_image(path), tmp_path) == "x"
        return
    with pytest.raises(ImageError, match=words):
        open_image(path)


def test_several_images_without_names_are_chosen_by_digest(tmp_path: Path) -> None:
    made = Layout()
    images = [made.image([_which("a")]), made.image([_which("b")])]
    path = made.top(*images).write(str(tmp_path / "image"))
    with pytest.raises(ImageError, match="several images") as raised:
        open_image(path)
    assert "by its digest" in raised.value.hint
    assert _content(open_image(f"{path}:{images[1]['digest']}"), tmp_path) == "b"


def test_links_between_the_members_of_an_archive_end(tmp_path: Path) -> None:
    files = docker_archive([_which("x")])
    layer = next(name for name in files if name.endswith("layer.tar"))
    del files[layer]
    path = _write_tar(tmp_path / "image.tar", files, symlink(layer, "../loop"), symlink("loop", layer))
    with pytest.raises(ImageError, match="missing from the archive"):
        _content(open_image(path), tmp_path)


def test_a_docker_archive_must_have_as_many_layers_as_it_says(tmp_path: Path) -> None:
    files = docker_archive([_which("x")])
    manifest = json.loads(files["manifest.json"])
    manifest[0]["Layers"] *= 2
    path = _write_tar(tmp_path / "image.tar", files | {"manifest.json": json.dumps(manifest).encode()})
    with pytest.raises(ImageError, match="its manifest has 2 layers, its configuration 1"):
        open_image(path)
    with pytest.raises(ImageError, match="no image named 'other:1'"):
        open_image(f"{path}:other:1")


def test_an_index_that_holds_itself_ends(tmp_path: Path) -> None:
    made = Layout()
    image: dict[str, Any] = made.image([_which("x")])
    for _ in range(20):
        image = made.blob(made.index(image), INDEX)
    with pytest.raises(ImageError, match="nested too deeply"):
        open_image(made.top(image).write(str(tmp_path / "image")))


def test_a_blob_that_is_a_link_out_or_a_pipe_is_refused(tmp_path: Path) -> None:
    path = layout(tmp_path / "image", _which("x"))
    index = tmp_path / "image/index.json"
    index.unlink()
    index.symlink_to("/etc/hostname")
    with pytest.raises(ImageError):
        open_image(path)
    index.unlink()
    os.mkfifo(index)
    with pytest.raises(ImageError, match="not a regular file"):
        open_image(path)


def test_other_directories_are_no_images(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="not an OCI layout") as raised:
        open_image(str(tmp_path))
    assert "make a tar" in raised.value.hint


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    path = layout(tmp_path / "image", _which("x"))
    archive = write(tmp_path / "a.tar.gz", COMPRESSORS["gzip"](_which("y")))
    bad = write(tmp_path / "bad", b"x" * 1024)
    before = sorted(os.listdir("/proc/self/fd"))
    for number, source in enumerate((path, archive)):
        with open_image(source) as image:
            unpack(image, str(tmp_path / f"root{number}"))
    with pytest.raises(ImageError):
        open_image(bad)
    with pytest.raises(ImageError):
        open_image(f"{path}:nothing")
    assert sorted(os.listdir("/proc/self/fd")) == before


# --- Configuration ----------------------------------------------------------------------------------------------------


def test_a_configuration_is_read_as_it_is() -> None:
    run = {
        "Env": ["A=1", "A=2", "EMPTY="],
        "Entrypoint": ["/e"],
        "Cmd": ["c", ""],
        "User": "www-data:adm",
        "WorkingDir": "/w",
        "ExposedPorts": {"80/tcp": {}},
        "Volumes": {"/data": {}},
        "StopSignal": "SIGQUIT",
        "Labels": {"l": "ä"},
    }
    raw = json.dumps({"os": "linux", "architecture": "arm", "variant": "v7", "config": run}).encode()
    assert ImageConfig.parse(raw) == ImageConfig(
        platform=Platform("linux", "arm", "v7"),
        env=("A=1", "A=2", "EMPTY="),
        entrypoint=("/e",),
        cmd=("c", ""),
        user="www-data:adm",
        working_dir="/w",
        exposed_ports=("80/tcp",),
        volumes=("/data",),
        stop_signal="SIGQUIT",
        labels={"l": "ä"},
        raw=raw,
    )


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
def test_text_that_no_process_can_get_is_refused(text: str) -> None:
    with pytest.raises(ImageError, match="'Env' of"):
        ImageConfig.parse(json.dumps({"architecture": "amd64", "config": {"Env": [text]}}).encode())


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["config", "rootfs", "diff_ids", "Env", "Cmd", "Labels", "Volumes", "os", "x"]),
            inner,
            max_size=5,
        )
    ),
)


@given(_JSON)
def test_any_json_is_a_configuration_or_an_image_error(document: object) -> None:
    raw = json.dumps(document).encode()
    try:
        config = ImageConfig.parse(raw)
    except ImageError:
        return
    assert config.raw == raw


@pytest.mark.parametrize("text", ["linux", "linux/", "a/b/c/d", ""])
def test_a_malformed_platform_is_refused(text: str) -> None:
    with pytest.raises(ImageError, match="is not a platform"):
        Platform.parse(text)


def test_tarfile_still_has_what_we_lean_on() -> None:
    """Names of tarfile that its documentation does not promise."""
    assert issubclass(tarfile.EOFHeaderError, tarfile.HeaderError)  # type: ignore[attr-defined] - not in typeshed
    assert issubclass(tarfile.EmptyHeaderError, tarfile.HeaderError)  # type: ignore[attr-defined] - not in typeshed
