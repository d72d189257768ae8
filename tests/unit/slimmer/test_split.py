"""Two halves are the whole, whatever is kept; and the slim half has the original's files and no others."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import tarfile
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from cntr_slimmer.split.divide import join
from cntr_slimmer.split.pair import Pair, make_pair
from cntr_slimmer.split.split_map import SplitMap
from cntr_slimmer.verify import check_files, check_join, open_plain
from hypothesis import given

from cntr_core import labels
from cntr_core.errors import ImageError
from cntr_core.images import ImageConfig, Platform
from cntr_core.images.tree.layers import OpenLayers
from cntr_core.images.tree.tree import Directory
from tests.unit.images.layouts import digest, directory, file, hard_link, symlink, tar
from tests.unit.images.tree.layered import LAYERS, described, opened


def config(layers: list[bytes], **run: Any) -> ImageConfig:
    document = {
        "os": "linux",
        "architecture": "amd64",
        "variant": "v2",
        "config": {"Healthcheck": {"Test": ["CMD", "x"]}, "Labels": {"mine": "kept"}, **run},
        "rootfs": {"type": "layers", "diff_ids": [digest(layer) for layer in layers]},
        "history": [{"created_by": f"step {number}"} for number in range(len(layers))],
    }
    return ImageConfig.parse(json.dumps(document).encode())


def split(layers: list[bytes], merged: OpenLayers, paths: set[bytes], directory: str, *, squash: bool = False) -> Pair:
    kept = [name.file for name in merged.tree.walk() if name.path in paths]
    return make_pair(merged, config(layers), kept, directory, squash=squash)


def joined(pair: Pair) -> list[bytes]:
    whole = []
    for slim, fat, split_map in zip(pair.slim.layers, pair.fat.layers, pair.split_map.layers, strict=False):
        with open(slim.path, "rb") as one, open(fat.path, "rb") as other:
            whole.append(b"".join(join(one, other, split_map)))
    return whole


@given(LAYERS, st.randoms(use_true_random=False))
def test_one_layer_is_what_the_layers_were(layers: list[bytes], choices: Any) -> None:
    try:
        with opened(layers) as merged, tempfile.TemporaryDirectory() as scratch:
            paths = {name.path for name in merged.tree.walk() if choices.random() < 0.5}
            pair = split(layers, merged, paths, scratch, squash=True)
            assert len(pair.slim.layers) == 1
            check_join(pair)
            with open_plain(pair.slim.layers) as slim:
                check_files(slim, merged.tree, {})
                ours, theirs = described(slim), described(merged)
            for path in paths:
                assert ours[path[1:].decode()] == theirs[path[1:].decode()]
            assert {path: theirs[path] for path in ours} == ours
    except ImageError as error:  # it cannot be merged at all, or not in one layer
        assert "single layer" in error.message or not _merges(layers)


def _merges(layers: list[bytes]) -> bool:
    try:
        with opened(layers):
            return True
    except ImageError:
        return False


def test_what_one_layer_leaves_out(tmp_path: Path) -> None:
    layers = [
        tar(directory("a", mode=0o700), file("a/x", b"1"), directory("gone"), file("gone/y"), file("replaced", b"old")),
        tar(directory("a", mode=0o755), file("replaced", b"new"), file(".wh.gone")),
        tar(symlink("link", "a"), file("a/z", b"3")),
    ]
    with opened(layers) as merged:
        pair = split(layers, merged, {b"/a/x", b"/a/z", b"/replaced", b"/link"}, str(tmp_path), squash=True)
        check_join(pair)
    with tarfile.open(pair.slim.layers[0].path) as one:
        assert one.getnames() == ["a/x", "a", "replaced", "link", "a/z"]
    history = json.loads(pair.slim.config)["history"]
    assert [bool(step.get("empty_layer")) for step in history] == [True, True, True, False]


def test_what_one_layer_cannot_be(tmp_path: Path) -> None:
    layers = [tar(file("a", b"1"), hard_link("b", "a")), tar(file(".wh.a"))]
    with opened(layers) as merged, pytest.raises(ImageError, match="a single layer cannot") as caught:
        split(layers, merged, {b"/b"}, str(tmp_path), squash=True)
    assert "--squash" in caught.value.hint


@given(LAYERS, st.randoms(use_true_random=False))
def test_the_halves_of_any_image_are_the_whole(layers: list[bytes], choices: Any) -> None:
    try:
        with opened(layers) as merged, tempfile.TemporaryDirectory() as scratch:
            paths = {name.path for name in merged.tree.walk() if choices.random() < 0.5}
            pair = split(layers, merged, paths, scratch)
            check_join(pair)
            assert joined(pair) == layers
            with open_plain(pair.slim.layers) as slim:
                check_files(slim, merged.tree, {})
                ours, theirs = described(slim), described(merged)
            for path in paths:
                assert ours[path[1:].decode()] == theirs[path[1:].decode()]
            assert {path: theirs[path] for path in ours} == ours
            with open_plain(pair.fat.layers) as fat:  # stands on its own, too
                assert {n.path for n in merged.tree.walk()} <= {n.path for n in slim.tree.walk()} | {
                    n.path for n in fat.tree.walk()
                }
    except ImageError:  # an image that cannot be merged at all
        with pytest.raises(ImageError), opened(layers):
            pass


def test_a_directory_that_is_made_through_a_link_that_is_gone_stays_as_it_was() -> None:
    layers = [tar(symlink("c", "."), directory("c/b", mode=0o750), symlink("c", "../a"), file("b/a"))]
    with opened(layers) as merged, tempfile.TemporaryDirectory() as scratch:
        pair = split(layers, merged, {b"/b/a"}, scratch)
        assert joined(pair) == layers
        with open_plain(pair.slim.layers) as slim:
            check_files(slim, merged.tree, {})
            assert described(slim)["b"] == described(merged)["b"]


def test_directories_stay_with_everything_about_them() -> None:
    layers = [tar(directory("etc", mode=0o750, uid=3, mtime=77), file("etc/x"), directory("var/empty", mode=0o1777))]
    with opened(layers) as merged, tempfile.TemporaryDirectory() as scratch:
        pair = split(layers, merged, set(), scratch)
        with open_plain(pair.slim.layers) as slim:
            assert {path: described(merged)[path] for path in ("etc", "var/empty")} == {
                path: value for path, value in described(slim).items() if path in ("etc", "var/empty")
            }
            assert not [name for name in slim.tree.walk() if not isinstance(name.file, Directory)]


def test_a_hard_link_keeps_its_content_though_its_first_name_is_gone() -> None:
    layers = [tar(file("a", b"content")), tar(hard_link("b", "a")), tar(file(".wh.a"))]
    with opened(layers) as merged, tempfile.TemporaryDirectory() as scratch:
        pair = split(layers, merged, {b"/b"}, scratch)
        with open_plain(pair.slim.layers) as slim:
            assert list(described(slim)) == [".", "b"]
            assert described(slim)["b"] == described(merged)["b"]


def test_what_replaced_a_kept_name_is_kept_too() -> None:
    layers = [tar(file("a", b"old"), hard_link("b", "a")), tar(file("a", b"new"))]
    with opened(layers) as merged, tempfile.TemporaryDirectory() as scratch:
        pair = split(layers, merged, {b"/b"}, scratch)
        with open_plain(pair.slim.layers) as slim:
            assert described(slim) == described(merged)


def test_a_link_that_members_lead_through_is_kept() -> None:
    layers = [tar(directory("usr/lib"), symlink("lib", "usr/lib")), tar(file("lib/x", b"1"), file("lib/y"))]
    with opened(layers) as merged, tempfile.TemporaryDirectory() as scratch:
        pair = split(layers, merged, {b"/usr/lib/x"}, scratch)
        with open_plain(pair.slim.layers) as slim, open_plain(pair.fat.layers) as fat:
            assert "lib" in described(slim) and "usr/lib/x" in described(slim)
            assert "usr/lib/y" in described(fat)


def test_a_layer_that_goes_whole_leaves_an_empty_one() -> None:
    layers = [tar(file("kept")), tar(file("gone", b"x" * 5000))]
    with opened(layers) as merged, tempfile.TemporaryDirectory() as scratch:
        pair = split(layers, merged, {b"/kept"}, scratch)
        assert [layer.size for layer in pair.slim.layers] == [2048, 1024] or pair.slim.layers[1].size == 1024
        document = json.loads(pair.slim.config)
        assert len(document["history"]) == len(document["rootfs"]["diff_ids"]) == 2


def test_the_configuration_is_the_originals_but_for_layers_and_labels() -> None:
    layers = [tar(file("a"))]
    with opened(layers) as merged, tempfile.TemporaryDirectory() as scratch:
        pair = split(layers, merged, {b"/a"}, scratch)
    original, slim, fat = (json.loads(c) for c in (config(layers).raw, pair.slim.config, pair.fat.config))
    for half in (slim, fat):
        own = {key: value for key, value in half["config"]["Labels"].items() if not key.startswith("io.cntr.")}
        assert own == original["config"]["Labels"]
        rest = {**half, "config": {**half["config"], "Labels": own}, "rootfs": 0, "history": 0}
        assert rest == {**original, "rootfs": 0, "history": 0}
    assert slim["config"]["Labels"][labels.PAIR] == fat["config"]["Labels"][labels.PAIR]
    assert slim["config"]["Labels"][labels.FAT] == digest(pair.fat.config)
    assert SplitMap.unpack(pair.split_map.pack()).config == config(layers).raw


@pytest.mark.parametrize("history", [["step"], {"0": {}}, "steps"])
def test_a_history_that_is_none_is_refused(history: object) -> None:
    layers = [tar(file("a"))]
    document = json.loads(config(layers).raw)
    odd = ImageConfig.parse(json.dumps({**document, "history": history}).encode())
    with opened(layers) as merged, tempfile.TemporaryDirectory() as scratch, pytest.raises(ImageError, match="history"):
        make_pair(merged, odd, [], scratch)


def test_the_same_choice_gives_the_same_bytes() -> None:
    layers = [tar(*(file(f"f{number}", b"%d" % number) for number in range(50)))]
    found = []
    for _ in range(2):
        with opened(layers) as merged, tempfile.TemporaryDirectory() as scratch:
            pair = split(layers, merged, {b"/f%d" % number for number in range(0, 50, 3)}, scratch)
            found.append((pair.slim.config, pair.fat.config))
    assert found[0] == found[1]


@pytest.mark.parametrize("tail", [b"", bytes(512), b"\0" * 9000, bytes(1024) + b"what somebody left there"])
def test_whatever_follows_the_last_member_comes_back(tail: bytes) -> None:
    plain = tar(file("a", b"x"), file("b", b"y")).rstrip(b"\0")
    plain += bytes(-len(plain) % 512)
    layers = [plain + tail]
    with opened(layers) as merged, tempfile.TemporaryDirectory() as scratch:
        assert joined(split(layers, merged, {b"/b"}, scratch)) == layers


def test_global_headers_are_in_both_halves() -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT, pax_headers={"mtime": "77"}) as archive:
        for name in ("a", "b"):
            info = tarfile.TarInfo(name)
            archive.addfile(info)
    layers = [stream.getvalue()]
    with opened(layers) as merged, tempfile.TemporaryDirectory() as scratch:
        pair = split(layers, merged, {b"/a"}, scratch)
        assert joined(pair) == layers
        with open_plain(pair.slim.layers) as slim, open_plain(pair.fat.layers) as fat:
            times = [half.tree.resolve(path).file.entry.mtime for half, path in ((slim, b"/a"), (fat, b"/b"))]
    assert times == [77 * 10**9] * 2


@pytest.mark.parametrize("form", ["--sparse-version=0.0", "--sparse-version=1.0", "--format=gnu"])
def test_sparse_members_are_split_as_they_are(tmp_path: Path, form: str) -> None:
    for name in ("one", "two"):
        with open(tmp_path / name, "wb") as out:
            out.seek(1_000_000)
            out.write(name.encode())
            out.truncate(3_000_000)
    options = [form] if form == "--format=gnu" else ["--format=pax", form]
    subprocess.run(["tar", "-C", tmp_path, "-S", *options, "-cf", tmp_path / "l.tar", "one", "two"], check=True)
    layers = [(tmp_path / "l.tar").read_bytes()]
    with opened(layers) as merged, tempfile.TemporaryDirectory() as scratch:
        pair = split(layers, merged, {b"/two"}, scratch)
        assert joined(pair) == layers
        with open_plain(pair.slim.layers) as slim:
            assert described(slim)["two"] == described(merged)["two"]


def test_halves_of_another_pair_are_noticed() -> None:
    layers, others = [tar(file("a", b"1"), file("b", b"2"))], [tar(file("a", b"1"), file("b", b"3"))]
    with opened(layers) as merged, opened(others) as other, tempfile.TemporaryDirectory() as scratch:
        one = split(layers, merged, {b"/a"}, tempfile.mkdtemp(dir=scratch))
        two = split(others, other, {b"/a"}, tempfile.mkdtemp(dir=scratch))
        with pytest.raises(ImageError, match="do not rebuild the layer"):
            check_join(replace(one, fat=two.fat))


def test_a_layer_that_changes_after_it_was_read_is_noticed(tmp_path: Path) -> None:
    layers = [tar(file("a", b"1")), tar(file("b", b"2" * 600))]
    with opened(layers) as merged:
        last = merged.tars[1]
        os.pwrite(last.fd, b"X", merged.indexes[1].entries[0].data)
        pair = split(layers, merged, {b"/b"}, str(tmp_path))
        with pytest.raises(ImageError, match="layer 2 changed while it was read") as caught:
            check_join(pair)
    assert caught.value.hint


def test_a_bare_root_has_digests_too(tmp_path: Path) -> None:
    layers = [tar(file("a", b"1"), file("b", b"2"))]
    with opened(layers) as merged:
        kept = [name.file for name in merged.tree.walk() if name.path == b"/a"]
        pair = make_pair(merged, ImageConfig(Platform.host()), kept, str(tmp_path))
        check_join(pair)
    assert [layer.diff_id for layer in pair.split_map.layers] == [digest(layer) for layer in layers]


@pytest.mark.parametrize("damage", [b"", b"{}", b"\x28\xb5\x2f\xfd", gzip.compress(b"{}", mtime=0)])
def test_a_damaged_recipe_is_refused(damage: bytes) -> None:
    with pytest.raises(ImageError, match="split map"):
        SplitMap.unpack(damage)
