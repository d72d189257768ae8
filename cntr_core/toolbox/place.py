"""Where the toolbox is kept, and whether there is one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from contextlib import suppress

from ..errors import PermissionMissing
from ..kernel.user_namespaces import own_directory

_SHELLS = ("/bin/sh", "/bin/bash", "/bin/busybox")


def toolbox_path() -> str:
    """``$CNTR_TOOLBOX``, else a file below ``/var/lib`` for root, and ``$XDG_DATA_HOME`` for others.

    :raises PermissionMissing: the user has no home.
    """
    if path := os.environ.get("CNTR_TOOLBOX"):
        return os.path.abspath(path)
    return os.path.join(own_directory("/var/lib/cntr-toolbox", "XDG_DATA_HOME", ".local/share"), "toolbox.tar")


def has_toolbox() -> bool:
    """Whether one has been made."""
    with suppress(PermissionMissing):
        return os.path.isfile(toolbox_path())
    return False


def is_place(path: str) -> bool:
    """Whether it is kept at `path`."""
    with suppress(PermissionMissing):
        return path == toolbox_path()
    return False


def lacking_on_host(caller: Mapping[str, str]) -> list[str]:
    """What of a shell and ps this machine lacks, by the caller's PATH."""
    shell = any(os.access(path, os.X_OK) for path in _SHELLS)
    found = {"shell": shell, "ps": shutil.which("ps", path=caller.get("PATH")) is not None}
    return [name for name, there in found.items() if not there]
