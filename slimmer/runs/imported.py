"""Images that an engine has to know for a run: taken in under a name that goes again."""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cntr_core.engine.tracing import TracingEngine
from cntr_core.images import ImageConfig, remove_tree
from cntr_core.images.tar.plain import PlainTar
from cntr_core.images.temporary import temporary_directory
from cntr_core.images.tree.layers import OpenLayers
from cntr_core.images.write.archive import archive
from cntr_core.images.write.compress import Compression
from cntr_core.images.write.new_image import NewImage, PlainLayer
from cntr_core.images.write.pack import pack
from cntr_core.timing import timed

from .cleanup import cleanup_process
from .engine_leftovers import insist, leave_image, new_image_name

_log = logging.getLogger(__name__)

_CHUNK = 1 << 20


@contextmanager
def imported(engine: TracingEngine, make: Callable[[str], NewImage]) -> Iterator[str]:
    """The name in the engine, for the block, of the image that `make` makes; its argument is a directory for files.

    :raises EngineError: the engine does not take it.
    """
    name = new_image_name()
    with (
        temporary_directory("cntr-import-") as (directory, lock),
        cleanup_process(lambda: _clean(engine, name, directory), needs=[lock]),
    ):
        try:
            with timed(_log, "give %s to %s", name, engine.name):
                engine.import_image(archive([(name, pack(make(directory), directory, Compression.NONE))]))
            yield name
        finally:
            leave_image(engine, name)


def _clean(engine: TracingEngine, name: str, directory: str) -> None:
    """In the cleanup process."""
    insist(lambda: engine.remove_image(name))
    remove_tree(directory)


def original_image(config: ImageConfig, layers: OpenLayers, directory: str) -> NewImage:
    """An opened image as one to be written, with its layers in `directory`."""
    files = [PlainLayer.of_file(_copy(tar, directory)) for tar in layers.tars]
    return NewImage(config.raw or _bare(config, files), tuple(files))


def _copy(tar: PlainTar, directory: str) -> str:
    """The path of a new file with a layer's tar, which may lie within another file, or in one without a name."""
    with tempfile.NamedTemporaryFile(dir=directory, delete=False) as file:
        at = 0
        while data := tar.read(_CHUNK, at):
            file.write(data)
            at += len(data)
    return file.name


def _bare(config: ImageConfig, layers: list[PlainLayer]) -> bytes:
    """A configuration for a root that has none."""
    platform = config.platform
    document = {
        "architecture": platform.architecture,
        "os": platform.os,
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
    }
    return json.dumps(document).encode()
