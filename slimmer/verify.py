"""Proving a pair: the slim image's files are the original's, and both images together give the original back."""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

from cntr_core import labels
from cntr_core.errors import ImageError
from cntr_core.images import ImageConfig
from cntr_core.images.streams import Counter, digest_of, uncounted
from cntr_core.images.tar.index import Entry, read_index
from cntr_core.images.tar.members import Kind, quoted, split_path
from cntr_core.images.tar.plain import PlainTar, TarBytes
from cntr_core.images.tree.contents import ReadContents
from cntr_core.images.tree.layers import OpenLayers, open_layers
from cntr_core.images.tree.merge import merge
from cntr_core.images.tree.tree import Directory, File, Tree
from cntr_core.images.tree.view import TreeView
from cntr_core.images.write.new_image import PlainLayer
from cntr_core.json_text import read_json
from cntr_core.kernel.syscall import owned

from .split.divide import join
from .split.joined import OpenPair
from .split.joined_tar import JoinedTar
from .split.package_lists import LISTS, files_of, shortened
from .split.pair import Pair, settings
from .split.split_map import SplitMap

_log = logging.getLogger(__name__)

# Where a member's records are is no property of the file, and its path is that of one of its names.
_PLACES = ("path", "start", "data", "end")
_OWN_LABELS = (labels.ROLE, labels.PAIR, labels.ORIGINAL, labels.FAT, labels.FAT_NAME)
_FREE = ("rootfs", "history")
"""What of a configuration is each image's own: the layers, which are proved by themselves, and how they came about."""


@contextmanager
def open_plain(layers: Sequence[PlainLayer]) -> Iterator[OpenLayers]:
    """Layers that were just written, read back."""
    with ExitStack() as stack:
        tars = []
        for layer in layers:
            fd = stack.enter_context(owned(os.open(layer.path, os.O_RDONLY | os.O_CLOEXEC)))
            tars.append(PlainTar(fd, 0, layer.size))
        yield OpenLayers.of(tars)


def check_files(slim: OpenLayers, original: Tree, lists: Mapping[bytes, bytes]) -> None:
    """Compare every file of the slim image with the original's: type, mode, owner, time, attributes, links, and by
    the layer's digest the content; but that of `lists`, by their paths, which must be as given.

    :raises ImageError: one differs.
    """
    _log.debug("comparing the slim image's files with the original's")
    for name in slim.tree.walk():
        try:
            there = original.resolve(name.path, follow=False).file
        except OSError:
            raise ImageError(f"the slim image has {quoted(name.path)}, which the original lacks") from None
        is_list = name.path in lists
        if _described(name.file, is_list) != _described(there, is_list):
            raise ImageError(f"{quoted(name.path)} differs between the slim image and the original")
    for path, text in lists.items():
        found = slim.view.lookup(path, follow=False)
        if found is None or found.size != len(text) or slim.view.read(path) != text:
            raise ImageError(f"{quoted(path)} is not the original's list without the packages that are gone")


def _described(file: File, is_list: bool) -> tuple[list[object], list[bytes]]:
    names = [] if isinstance(file, Directory) else sorted(name.path for name in file.names)
    differing = (*_PLACES, "size") if is_list else _PLACES
    return [getattr(file.entry, field) for field in Entry._fields if field not in differing], names


def check_settings(pair: OpenPair) -> None:
    """Prove that the original is the one that both images name, with the layers that they make, and that both are run
    as it is: that their configurations are the original's, but for our labels, the layers and the history.

    :raises ImageError: it is not so.
    """
    raw = pair.split_map.config
    named = ImageConfig.parse(raw).diff_ids if raw else ()
    if named and named != tuple(layer.diff_id for layer in pair.split_map.layers):
        raise ImageError("the original's configuration names other layers than both images make")
    for image in (pair.slim, pair.fat):
        if image.config.labels.get(labels.ORIGINAL) != digest_of(raw):
            raise ImageError(f"the original is not the one that {image.reference} is labelled with")
        if (key := _other_setting(image.config, raw)) is not None:
            raise ImageError(f"{image.reference} has other settings than the original: {key!r} of its configuration")


def _other_setting(config: ImageConfig, raw: bytes) -> str | None:
    """The first key of a slim or fat image's configuration by which it differs from the original's, `raw`."""
    own = {key: value for key, value in config.labels.items() if key in _OWN_LABELS}
    original = ImageConfig.parse(raw) if raw else ImageConfig(config.platform)
    found, wanted = read_json(config.raw), settings(original, own)
    keys = sorted({*found, *wanted}.difference(_FREE))
    return next((key for key in keys if found.get(key) != wanted.get(key)), None)


def check_pair(pair: OpenPair, progress: Counter = uncounted) -> None:
    """Prove that both images rebuild the original, and that the slim one has nothing else, but directories that nothing
    describes, and lists of packages that are the original's with whole paragraphs left out; and that they have the
    original's settings.

    :raises ImageError: it is not so.
    """
    check_settings(pair)
    if not pair.check(progress) and not pair.split_map.lists:
        return
    with open_layers(pair.slim) as slim, open_layers(pair.fat) as fat:
        tars = list(_joined_tars(pair.split_map, slim.tars, fat.tars))
        original = merge(list(map(read_index, tars)))
        names = [name for name in LISTS if os.fsdecode(name) in pair.split_map.lists]
        lists = shortened(TreeView(original, ReadContents(tars)), original, names, files_of(slim.tree))
        _check_added(slim, [tar.end_of_slim for tar in tars[-1 if pair.split_map.squashed else 0 :]], lists)
        check_files(slim, original, lists)


def _joined_tars(split_map: SplitMap, slim: Sequence[TarBytes], fat: Sequence[TarBytes]) -> Iterator[JoinedTar]:
    start = 0
    for number, layer in enumerate(split_map.layers):
        tar = JoinedTar(slim[0 if split_map.squashed else number], fat[number], layer, start)
        start = tar.end_of_slim if split_map.squashed else 0
        yield tar


def _check_added(slim: OpenLayers, ends: Sequence[int], lists: Collection[bytes]) -> None:
    """:raises ImageError: what follows the records of the original, which end at `ends`, is more than it may be."""
    due = set(lists)
    for index, end in zip(slim.indexes, ends, strict=True):
        for entry in index.entries:
            if entry.start < end or entry.kind is Kind.DIRECTORY:
                continue
            path = b"/" + b"/".join(split_path(entry.path))
            if entry.kind is not Kind.FILE or path not in due:
                raise ImageError(f"the slim image has a {entry.kind.value} {quoted(path)}, which the original has not")
            due.remove(path)


def check_join(pair: Pair) -> None:
    """Join a pair that was just made, without keeping the result.

    :raises ImageError: it is not the original: somebody wrote to that meanwhile.
    """
    with ExitStack() as stack:
        for number, (theirs, layer) in enumerate(zip(pair.fat.layers, pair.split_map.layers, strict=False)):
            if number == 0 or not pair.split_map.squashed:
                one = stack.enter_context(open(pair.slim.layers[number].path, "rb"))
            with open(theirs.path, "rb") as other:
                _check_layer(number + 1, join(one, other, layer))


def _check_layer(number: int, pieces: Iterable[bytes]) -> None:
    try:
        for _ in pieces:
            pass
    except ImageError as error:
        sentence = f"layer {number} changed while it was read ({error.message})"
        raise ImageError(sentence, "make sure that nothing writes to the image's file, and run again") from error
