"""Transport ``pyfuse3``: libfuse by way of pyfuse3, the main backend."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, ClassVar

from cntr_core import hookimpl
from cntr_core.filesystem import Filesystem, MountRequest, ServedMount
from cntr_core.types import Missing

if TYPE_CHECKING:
    from ..logic.notifier import Notifier
    from ..logic.operations import Operations
    from ..logic.policy import Policy
    from ..logic.stop import Stopper


class Pyfuse3Filesystem(Filesystem):
    """Serves what libfuse can express: no fallocate, no SEEK_DATA, no copy_file_range, no O_TMPFILE."""

    name: ClassVar[str] = "pyfuse3"

    def missing(self) -> Sequence[Missing]:
        from ..server import missing_for_fuse
        from .library import missing_packages

        return [*missing_packages(), *missing_for_fuse()]

    def mount(self, request: MountRequest) -> AbstractContextManager[ServedMount]:
        from ..server import served
        from .mounting import mount

        return served(request, _serve, mount)


def _serve(device: int, operations: Operations[Any], policy: Policy, stopper: Stopper, notifier: Notifier) -> None:
    # Imported by the server only, and by no session.
    from .library import import_pyfuse3

    import_pyfuse3()
    from .requests import serve

    serve(device, operations, policy, stopper, notifier)


@hookimpl
def cntr_register_filesystem() -> Filesystem:
    return Pyfuse3Filesystem()
