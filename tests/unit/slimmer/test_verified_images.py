"""What a pair may be told of beside its files: its settings, whose original it is, and the fat image's last layer."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cntr_slimmer.split.pair import Pair, split_map_tar
from cntr_slimmer.verify import check_pair

from cntr_core.errors import ImageError
from cntr_core.images.streams import digest_of
from cntr_core.images.write.new_image import NewImage, PlainLayer
from tests.unit.images.layouts import MemberSpec, directory, file, hard_link, symlink
from tests.unit.slimmer.test_package_lists import LAYER, saved, split, with_more

Change = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    "more",
    [
        file("bin/sh", b"bad", mode=0o4755),
        file("usr/bin/.wh.app"),
        directory("opt"),
        directory(".cntr", mode=0o777),
        symlink(".cntr/link", "/etc/shadow"),
        hard_link("etc/own", ".cntr/recipe.json.zst"),
        file(".cntr/recipe.json.zst", b"another"),
    ],
    ids=["file", "whiteout", "directory", "again", "link", "hard link", "another map"],
)
def test_more_in_the_last_layer_of_the_fat_image_is_noticed(tmp_path: Path, more: MemberSpec) -> None:
    with split([LAYER], tmp_path) as pair:
        tampered = replace(pair, fat=with_more(pair.fat, tmp_path, more))
        with pytest.raises(ImageError, match="files that the original has not"), saved(tampered, tmp_path) as both:
            check_pair(both)


def test_records_behind_the_end_of_the_last_layer_are_noticed(tmp_path: Path) -> None:
    """Some programs read on there, as ``tar --ignore-zeros`` does."""
    with split([LAYER], tmp_path) as pair:
        last = Path(pair.fat.layers[-1].path)
        last.write_bytes(last.read_bytes() + LAYER)
        fat = with_layer(pair.fat, last)
        with (
            pytest.raises(ImageError, match="files that the original has not"),
            saved(replace(pair, fat=fat), tmp_path) as both,
        ):
            check_pair(both)


def with_layer(image: NewImage, path: Path) -> NewImage:
    """The image with the file at `path` as its last layer."""
    layer = PlainLayer.of_file(str(path))
    document = json.loads(image.config)
    document["rootfs"]["diff_ids"][-1] = layer.diff_id
    return replace(image, config=json.dumps(document).encode(), layers=(*image.layers[:-1], layer))


def changed(image: NewImage, change: Change) -> NewImage:
    document = json.loads(image.config)
    change(document)
    return replace(image, config=json.dumps(document).encode())


def run(**values: object) -> Change:
    return lambda document: document["config"].update(values)


CHANGES: dict[str, Change] = {
    "command": run(Entrypoint=["/bin/evil"]),
    "variables": run(Env=["LD_PRELOAD=/tmp/x.so"]),
    "user": run(User="root"),
    "health check": lambda document: document["config"].pop("Healthcheck"),
    "label": lambda document: document["config"]["Labels"].update(mine="theirs"),
    "another's label": lambda document: document["config"]["Labels"].update(more="one"),
    "platform": lambda document: document.update(variant="v3"),
}


@pytest.mark.parametrize("half", ["slim", "fat"])
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_other_settings_than_those_of_the_original_are_noticed(tmp_path: Path, change: Change, half: str) -> None:
    with split([LAYER], tmp_path) as pair:
        tampered = replace(pair, **{half: changed(getattr(pair, half), change)})
        with (
            pytest.raises(ImageError, match="settings than the original"),
            saved(tampered, tmp_path) as both,
        ):
            check_pair(both)


def test_another_history_is_no_other_setting(tmp_path: Path) -> None:
    """It changes nothing that runs, and some programs write a shorter one."""
    with split([LAYER], tmp_path) as pair:
        other = replace(pair, slim=changed(pair.slim, lambda document: document.pop("history")))
        with saved(other, tmp_path) as both:
            check_pair(both)


@pytest.mark.parametrize("own", ["original", "layers"])
def test_an_original_that_is_not_the_labelled_one_is_noticed(tmp_path: Path, own: str) -> None:
    with split([LAYER], tmp_path) as pair:
        tampered = other_original(pair, tmp_path, relabelled=own == "layers")
        with pytest.raises(ImageError, match=own), saved(tampered, tmp_path) as both:
            check_pair(both)


def other_original(pair: Pair, where: Path, *, relabelled: bool) -> Pair:
    """The pair with a split map whose original has another layer than the images make; `relabelled` where the labels
    agree with that."""
    document = json.loads(pair.split_map.config)
    document["rootfs"]["diff_ids"] = ["sha256:" + 64 * "0"]
    config = json.dumps(document).encode()
    packed = replace(pair.split_map, config=config).pack()
    own = {"io.cntr.pair": digest_of(packed), **({"io.cntr.original": digest_of(config)} if relabelled else {})}
    label: Change = lambda document: document["config"]["Labels"].update(own)  # noqa: E731
    path = where / "map.tar"
    path.write_bytes(split_map_tar(packed))
    fat = changed(with_layer(pair.fat, path), label)
    return replace(pair, slim=changed(pair.slim, label), fat=fat)
