"""Backend ``kernel``: the kernel itself serves, read-only, by overlayfs."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TYPE_CHECKING, ClassVar

from cntr_core import hookimpl
from cntr_core.errors import KernelFeatureMissing, PermissionMissing, UsageError
from cntr_core.filesystem import DirectoryTree, Filesystem, MountRequest, PartialTree, ServedMount
from cntr_core.reasons import reason
from cntr_core.types import Missing

if TYPE_CHECKING:
    from cntr_core.kernel.mounts import DetachedMount


_OTHERS = "use --fs pyfuse3, or --fs direct"


class _KernelMount(ServedMount):
    def __init__(self, mount: DetachedMount) -> None:
        self._mount = mount

    @property
    def fd(self) -> int:
        return self._mount.fd

    @property
    def server(self) -> None:
        return None


class KernelFilesystem(Filesystem):
    """As fast as the trees themselves. It can neither write nor watch.

    Overlayfs without an upper layer stays read-only whatever its mount is changed to; a read-only bind mount would be
    writable again for whoever may remount it, as a container with ``CAP_SYS_ADMIN`` may. It shows the filesystems that
    the directories lie on alone: mounts below them are empty directories.
    """

    name: ClassVar[str] = "kernel"
    directories_only: ClassVar[bool] = True
    ends_with_session: ClassVar[bool] = False

    def missing(self) -> Sequence[Missing]:
        from cntr_core.kernel.mounts import fsopen
        from cntr_core.kernel.namespaces import is_initial_user_namespace

        if not is_initial_user_namespace():  # whose mounts come in one piece, of which overlayfs takes no part
            return [Missing("root of the machine, for a user namespace cannot merge its trees", _OTHERS)]
        try:
            os.close(fsopen("tmpfs"))
        except PermissionError:
            return [Missing("CAP_SYS_ADMIN", "run as root")]
        except OSError:
            return [Missing("the mount API by file descriptors", "use Linux 5.12 or newer")]
        return []

    def mount(self, request: MountRequest) -> AbstractContextManager[ServedMount]:
        return _mounted(request)


@contextmanager
def _mounted(request: MountRequest) -> Iterator[ServedMount]:
    trees = _directories(request)
    try:
        with ExitStack() as stack:
            layers = [fd for tree in trees for fd in _layers(tree, stack)]
            mount = _merged(layers, request.source)
    except PermissionError as error:
        raise PermissionMissing(f"cannot mount: {reason(error)}", "run as root") from error
    except OSError as error:
        raise KernelFeatureMissing(f"the kernel cannot mount this tree: {reason(error)}", _OTHERS) from error
    with mount, ExitStack() as stack:
        if not request.immutable:
            from .following import following

            stack.enter_context(following(mount.fd, [tree.fd for tree in trees]))
        yield _KernelMount(mount)


def _layers(tree: DirectoryTree | PartialTree, stack: ExitStack) -> list[int]:
    """The descriptors of the layers, the topmost first, that show `tree`."""
    if isinstance(tree, DirectoryTree):
        return [tree.fd]
    from cntr_core.kernel.mounts import DetachedMount

    from .partial_layer import fill_layer

    layer = stack.enter_context(DetachedMount.new("tmpfs", {"mode": "755", "size": "64m"}))
    fill_layer(layer.fd, tree)
    return [layer.fd, tree.fd]


def _directories(request: MountRequest) -> list[DirectoryTree | PartialTree]:
    """What is to be shown.

    :raises UsageError: the kernel cannot do what is asked.
    """
    if not request.branches:
        raise UsageError("a mount needs at least one branch", "name a directory")
    if request.links_inside:
        raise UsageError("the kernel backend cannot change links", _OTHERS)
    if not request.read_only:
        raise UsageError("the kernel backend is read-only", _OTHERS)
    if request.observer is not None:
        raise UsageError("the kernel backend cannot watch accesses", _OTHERS)
    trees = [tree for tree in request.branches if isinstance(tree, DirectoryTree | PartialTree)]
    if len(trees) < len(request.branches):
        raise UsageError("the kernel backend shows directories only", _OTHERS)
    return trees


def _merged(fds: list[int], source: str) -> DetachedMount:
    """Overlayfs wants two layers at least (kernel: overlayfs.rst), so a single one gets an empty one below it."""
    from cntr_core.kernel.mounts import DetachedMount

    if len(fds) > 1:
        return _overlay(fds, source)
    with DetachedMount.new("tmpfs", {"size": "4k"}) as nothing:
        return _overlay([*fds, nothing.fd], source)


def _overlay(fds: list[int], source: str) -> DetachedMount:
    """Overlayfs without an upper layer. Layers go by descriptor: their paths may hold colons, or lie elsewhere."""
    from cntr_core.kernel.mounts import MOUNT_ATTR_RDONLY, DetachedMount

    paths = [f"/proc/self/fd/{fd}" for fd in fds]
    options = [("source", source), ("redirect_dir", "follow")]
    named = [*options, *(("lowerdir+", path) for path in paths)]
    try:
        return DetachedMount.new("overlay", named, MOUNT_ATTR_RDONLY)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
    # Before Linux 6.5: one option for all.
    return DetachedMount.new("overlay", [*options, ("lowerdir", ":".join(paths))], MOUNT_ATTR_RDONLY)


@hookimpl
def cntr_register_filesystem() -> Filesystem:
    return KernelFilesystem()
