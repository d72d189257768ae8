"""Transport ``direct``: the kernel's FUSE protocol in plain Python, without libfuse."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import ClassVar

from cntr_core import hookimpl
from cntr_core.filesystem import Filesystem, MountRequest, ServedMount
from cntr_core.types import Missing


class DirectFilesystem(Filesystem):
    """Serves by FUSE passthrough where the kernel can, and with everything that the protocol has."""

    name: ClassVar[str] = "direct"

    def missing(self) -> Sequence[Missing]:
        from ..server import missing_for_fuse

        return missing_for_fuse()

    def mount(self, request: MountRequest) -> AbstractContextManager[ServedMount]:
        from ..server import served
        from .loop import serve

        return served(request, serve)


@hookimpl
def cntr_register_filesystem() -> Filesystem:
    return DirectFilesystem()
