"""The pair: from the files to keep to two images, each of which names the other."""

from __future__ import annotations

import io
import json
import logging
import os
import tarfile
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cntr_core import labels
from cntr_core.errors import ImageError
from cntr_core.images import ImageConfig
from cntr_core.images.streams import Counter, digest_of, uncounted
from cntr_core.images.tar.headers import padded
from cntr_core.images.tar.member_header import header
from cntr_core.images.tree.layers import OpenLayers
from cntr_core.images.tree.merge import merge
from cntr_core.images.tree.tree import File, Tree
from cntr_core.images.write.new_image import NewImage, PlainLayer
from cntr_core.json_text import read_json

from .divide import LayerWriter, divide
from .members import Members, fat_members, lost_directories, part, slim_members
from .package_lists import files_of, shortened
from .split_map import LayerMap, Run, SplitMap
from .squash import as_one, squashed_members

_log = logging.getLogger(__name__)

SPLIT_MAP_PATH = ".cntr/recipe.json.zst"
"""Where the fat image's last layer has the split map."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Both images, not yet packed: a packed slim image's descriptor becomes the fat one's subject. `members` are the
    numbers of the slim image's members, for each layer; `lists` are the lists of packages that it has beside them,
    shorter than the original's, by their paths."""

    slim: NewImage
    fat: NewImage
    split_map: SplitMap
    members: tuple[frozenset[int], ...]
    lists: Mapping[bytes, bytes] = field(default_factory=dict)


def make_pair(
    layers: OpenLayers,
    config: ImageConfig,
    kept: Collection[File],
    directory: str,
    *,
    hollow: Collection[int] = (),
    lists: Collection[bytes] = (),
    fat_name: str = "",
    squash: bool = False,
    progress: Counter = uncounted,
) -> Pair:
    """Split all layers, into files in `directory`. The slim image has all directories but those whose inode numbers are
    `hollow`, and of the `lists` of packages what tells of packages that it has a file of; with `squash` it has one
    layer. That both images make the original again is for :func:`~..verify.check_join` to prove.

    :raises ImageError: a layer is too odd to be split.
    :raises OSError: there is no room.
    """
    slim = slim_members(layers.indexes, layers.tree, kept, hollow)
    if squash:
        slim = squashed_members(layers.indexes, layers.tree, slim)
    short = shortened(layers.view, layers.tree, lists, files_of(merge(part(layers.indexes, slim)))) if lists else {}
    added = _taken(layers.tree, short, slim)
    members = slim, fat_members(layers.indexes, layers.tree, slim)
    split = _squashed if squash else _layered
    slim_layers, fat_layers, orders = split(layers, members, hollow, added, directory, progress)
    diff_ids = config.diff_ids or [tar.digest() for tar in layers.tars]  # a bare root has none
    layer_maps = (LayerMap(diff_id, *order) for diff_id, order in zip(diff_ids, orders, strict=True))
    split_map = SplitMap(config.raw, tuple(layer_maps), squash, tuple(map(os.fsdecode, lists)) if short else ())
    _log.debug("split %d layers, of which slim keeps %s members", len(layers.tars), [len(one) for one in slim])
    packed = split_map.pack()
    extra = os.path.join(directory, "recipe.tar")
    with open(extra, "xb") as file:
        file.write(split_map_tar(packed))
    slim_image, fat_image = _images(config, slim_layers, [*fat_layers, PlainLayer.of_file(extra)], packed, fat_name)
    return Pair(slim_image, fat_image, split_map, tuple(map(frozenset, slim)), short)


def _taken(tree: Tree, lists: Mapping[bytes, bytes], members: list[set[int]]) -> Mapping[int, bytes]:
    """The records of these lists for each layer that has them, whose own ones are taken out of `members`."""
    records: defaultdict[int, bytes] = defaultdict(bytes)
    for path, text in sorted(lists.items()):
        file = tree.resolve(path, follow=False).file
        members[file.layer].discard(file.number)
        entry = file.entry._replace(path=path.lstrip(b"/"), size=len(text))
        records[file.layer] += header(entry) + text.ljust(padded(len(text)), b"\0")
    return records


def _images(
    config: ImageConfig, slim: list[PlainLayer], fat: list[PlainLayer], split_map: bytes, fat_name: str
) -> tuple[NewImage, NewImage]:
    """The slim and the fat image, whose labels tell that they are a pair."""
    common = {labels.PAIR: digest_of(split_map), labels.ORIGINAL: digest_of(config.raw)}
    fat_image = _half(config, fat, {labels.ROLE: labels.FAT_ROLE, **common})
    named = {labels.FAT: digest_of(fat_image.config)}
    if fat_name:
        named[labels.FAT_NAME] = fat_name
    return _half(config, slim, {labels.ROLE: labels.SLIM_ROLE, **common, **named}), fat_image


_Order = tuple[tuple[Run, ...], bytes]
_Halves = tuple[list[PlainLayer], list[PlainLayer], list[_Order]]


def _layered(
    layers: OpenLayers,
    members: tuple[Members, Members],
    hollow: Collection[int],
    added: Mapping[int, bytes],
    directory: str,
    progress: Counter,
) -> _Halves:
    """Both images of each layer, and their order in it; `members` are those of the slim and of the fat image."""
    slim, fat = members
    lost = lost_directories(layers.indexes, layers.tree, slim, hollow)
    made: _Halves = [], [], []
    for number, (tar, index) in enumerate(zip(layers.tars, layers.indexes, strict=True)):
        with _new_half(directory, "slim", number) as ours, _new_half(directory, "fat", number) as theirs:
            made[2].append(divide(tar, index, slim[number], fat[number], (ours, theirs), progress))
            directories = _directories(path for layer, path in lost if layer == number)
            made[0].append(ours.finish(directories + added.get(number, b"")))
            made[1].append(theirs.finish())
    return made


def _squashed(
    layers: OpenLayers,
    members: tuple[Members, Members],
    hollow: Collection[int],
    added: Mapping[int, bytes],
    directory: str,
    progress: Counter,
) -> _Halves:
    """The slim half as one layer, the fat layers of each, and the orders."""
    slim, fat = members
    one = as_one(layers.indexes, slim)
    lost = lost_directories([one], layers.tree, [range(len(one.entries))], hollow)
    made: _Halves = [], [], []
    with _new_half(directory, "slim", 0) as ours:
        for number, (tar, index) in enumerate(zip(layers.tars, layers.indexes, strict=True)):
            with _new_half(directory, "fat", number) as theirs:
                made[2].append(divide(tar, index, slim[number], fat[number], (ours, theirs), progress))
                made[1].append(theirs.finish())
        made[0].append(ours.finish(_directories(path for _, path in lost) + b"".join(added.values())))
    return made


def _new_half(directory: str, role: str, number: int) -> LayerWriter:
    return LayerWriter(os.path.join(directory, f"{role}-{number}.tar"))


def _half(config: ImageConfig, layers: list[PlainLayer], own: Mapping[str, str]) -> NewImage:
    """The original's configuration, with other layers and our labels. Its history has an entry for each layer."""
    document = settings(config, own)
    document["rootfs"] = {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]}
    if history := _history(document, len(layers)):
        document["history"] = history
    return NewImage(json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode(), tuple(layers), dict(own))


def settings(config: ImageConfig, own: Mapping[str, str]) -> dict[str, Any]:
    """The original's configuration with the labels `own`; its layers and history are still the original's."""
    document: dict[str, Any] = read_json(config.raw) if config.raw else _bare(config)
    run = document.get("config") or {}  # an object: the configuration was read before
    run["Labels"] = {**(run.get("Labels") or {}), **own}
    document["config"] = run
    return document


def _history(document: Mapping[str, Any], layers: int) -> list[dict[str, Any]]:
    """The original's, with an entry for each of so many layers; where they are fewer than there, none fills its own."""
    history = document.get("history") or []
    if not isinstance(history, list) or not all(isinstance(entry, dict) for entry in history):
        raise ImageError("the image's history is malformed", "leave it out of the configuration")
    filled = sum(not entry.get("empty_layer") for entry in history)
    if filled > layers:
        history, filled = [{**entry, "empty_layer": True} for entry in history], 0
    return history + [{"created_by": "cntr slim"}] * (layers - filled) if history else []


def _bare(config: ImageConfig) -> dict[str, Any]:
    """For a root without a configuration."""
    return {"architecture": config.platform.architecture, "os": config.platform.os}


def _directories(paths: Iterable[bytes]) -> bytes:
    """The records of members for directories that have none: as every unpacking makes them."""
    return b"".join(map(_directory, paths))


def _directory(path: bytes) -> bytes:
    member = tarfile.TarInfo(os.fsdecode(path.lstrip(b"/")))
    member.type, member.mode = tarfile.DIRTYPE, 0o755
    return member.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def split_map_tar(packed: bytes) -> bytes:
    """A layer with nothing but the split map. Those of older pairs are compared with it: it stays as it is."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        directory = tarfile.TarInfo(os.path.dirname(SPLIT_MAP_PATH))
        directory.type, directory.mode = tarfile.DIRTYPE, 0o755
        archive.addfile(directory)
        member = tarfile.TarInfo(SPLIT_MAP_PATH)
        member.size = len(packed)
        archive.addfile(member, io.BytesIO(packed))
    return content.getvalue()
