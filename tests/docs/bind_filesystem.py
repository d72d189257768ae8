"""A filesystem backend of one bind mount: what docs/how-to/write-a-filesystem.md builds."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

from cntr_core import DirectoryTree, Filesystem, Missing, MountRequest, ServedMount, hookimpl
from cntr_core.errors import PermissionMissing, UsageError
from cntr_core.kernel.capabilities import capget, mask
from cntr_core.kernel.mounts import MOUNT_ATTR_RDONLY, DetachedMount


class BindMount(ServedMount):
    def __init__(self, mount: DetachedMount) -> None:
        self._mount = mount

    @property
    def fd(self) -> int:
        return self._mount.fd

    @property
    def server(self) -> None:
        """None: the kernel itself serves. A FUSE backend gives a pidfd of its server."""


class BindFilesystem(Filesystem):
    name = "bind"

    def missing(self) -> Sequence[Missing]:
        effective, _, _ = capget()
        return [] if effective & mask(["SYS_ADMIN"]) else [Missing("CAP_SYS_ADMIN", "run as root")]

    def mount(self, request: MountRequest) -> AbstractContextManager[ServedMount]:
        return _mounted(request)


@contextmanager
def _mounted(request: MountRequest) -> Iterator[ServedMount]:
    match request.branches:
        case [DirectoryTree(fd)] if request.observer is None:
            pass
        case _:
            raise UsageError("bind shows one directory, and cannot watch", "use --fs pyfuse3")
    try:
        mount = DetachedMount.clone(fd, recursive=True)
    except PermissionError as error:
        raise PermissionMissing(f"cannot mount: {error}", "run as root") from error
    with mount:
        if request.read_only:
            mount.set_attributes(set=MOUNT_ATTR_RDONLY, recursive=True)
        yield BindMount(mount)


@hookimpl
def cntr_register_filesystem() -> Filesystem:
    return BindFilesystem()
