"""Images of containerd unpacked into snapshots, and snapshots for containers: what ctr and nerdctl do themselves."""

from __future__ import annotations

import logging
import os
import tempfile
import uuid
from collections.abc import Sequence
from typing import Any

from cntr_core.errors import EngineError
from cntr_core.images import Layer
from cntr_core.images.streams import digest_of
from cntr_core.kernel.child import open_in_child
from cntr_core.kernel.mounts import DetachedMount
from cntr_core.timing import timed

from .namespace import ContainerdNamespace

_log = logging.getLogger(__name__)


def snapshotter() -> str:
    """The one that unpacks images, as ctr and nerdctl choose it."""
    return os.environ.get("CONTAINERD_SNAPSHOTTER") or "overlayfs"


class Snapshots:
    """The snapshots of one namespace."""

    def __init__(self, space: ContainerdNamespace) -> None:
        self._space = space
        self._snapshotter = snapshotter()

    def unpack(self, config: str, layers: Sequence[Layer]) -> str:
        """The snapshot of an image, unpacked where it is not yet: its name is the chain id of the layers (image-spec
        1.1, "Layer ChainID"), so that all images and clients share it; "" where there are no layers. It is kept for as
        long as the image's configuration, whose digest is `config`."""
        chain = ""
        for layer in layers:
            parent = chain
            both = f"{parent} {layer.diff_id}"
            chain = digest_of(both.encode()) if parent else layer.diff_id
            if not self._space.knows("snapshots.v1.Snapshots/Stat", "Snapshot", **self._named(chain)):
                self._apply(layer, parent, chain)
        if chain:
            self._keep(config, chain)
        return chain

    def prepare(self, name: str, parent: str) -> Sequence[Any]:
        """A new writable snapshot on top of another one; gives its mounts."""
        wanted = {**self._named(name), "parent": parent}
        return self._space.call("snapshots.v1.Snapshots/Prepare", "PrepareRequest", "Mounts", **wanted).mounts  # type: ignore[no-any-return]  # messages are made at run time

    def remove(self, name: str) -> None:
        """Remove a snapshot; nothing happens where it is unknown."""
        self._space.knows("snapshots.v1.Snapshots/Remove", "Snapshot", **self._named(name))

    def _keep(self, config: str, chain: str) -> None:
        label = f"containerd.io/gc.ref.snapshot.{self._snapshotter}"
        info = {"digest": config, "labels": {label: chain}}
        mask = {"paths": [f"labels.{label}"]}
        self._space.call("content.v1.Content/Update", "UpdateContentRequest", info=info, update_mask=mask)

    def _apply(self, layer: Layer, parent: str, chain: str) -> None:
        """Unpack one layer."""
        key = f"cntr-{uuid.uuid4().hex}"
        mounts = self.prepare(key, parent)
        try:
            diff = {"media_type": layer.media_type, "digest": layer.digest, "size": layer.size}
            with timed(_log, "unpack layer %s", layer.digest):
                done = self._space.call("diff.v1.Diff/Apply", "ApplyRequest", "ApplyResponse", diff=diff, mounts=mounts)
            if done.applied.digest != layer.diff_id:
                raise EngineError(f"layer {layer} is not what the image's configuration says", "pull the image again")
            self._commit(key, chain)
        except BaseException:
            self.remove(key)
            raise

    def _commit(self, key: str, chain: str) -> None:
        wanted = {"snapshotter": self._snapshotter, "name": chain, "key": key}
        if not self._space.done("snapshots.v1.Snapshots/Commit", "CommitRequest", "ALREADY_EXISTS", **wanted):
            self.remove(key)  # somebody else has unpacked it meanwhile

    def _named(self, key: str) -> dict[str, str]:
        return {"snapshotter": self._snapshotter, "key": key}


def look_into(mounts: Sequence[Any], directory: str) -> DetachedMount:
    """What is below a new snapshot with these mounts, for reading, while nobody has it mounted; `directory` is for a
    few links.

    :raises EngineError: it is not made of directories.
    """
    lower = [path for mount in mounts for path in _directories(mount)]
    if not lower:
        raise EngineError(f"the snapshotter {snapshotter()} is not supported", "set CONTAINERD_SNAPSHOTTER=overlayfs")
    with tempfile.TemporaryDirectory(dir=directory) as links:
        os.mkdir(os.path.join(links, "e"))
        for number, path in enumerate(lower):
            os.symlink(path, os.path.join(links, str(number)))
        return DetachedMount(open_in_child(lambda: _overlay(links, len(lower))))


def _directories(mount: Any) -> list[str]:
    """The directories that a mount merges, the topmost first."""
    if mount.type == "bind":
        return [mount.source]
    options = dict(option.partition("=")[::2] for option in mount.options)
    return options.get("lowerdir", "").split(":") if mount.type == "overlay" else []


def _overlay(links: str, count: int) -> int:
    """In a child. Links, because an option of fsconfig(2) may have 255 bytes; and an empty directory, because there
    must be two (kernel: overlayfs.rst, "Multiple lower layers")."""
    os.chdir(links)
    return DetachedMount.new("overlay", {"lowerdir": ":".join(["e", *map(str, range(count))])}).fd
