"""Root directories for managers that take no images: a static busybox and the places that a container wants."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

_PLACES = ("bin", "dev", "etc", "proc", "root", "run", "sbin", "srv", "sys", "tmp", "usr/bin", "usr/lib", "var/log")
_PROGRAMS = ("cat", "hostname", "ls", "sh", "sleep")
_INIT = "#!/bin/sh\nexec sleep 1000000\n"


def busybox_root(directory: Path) -> Path:
    """A root below `directory`, which belongs to the host's root; its ``/sbin/init`` sleeps.

    Everybody may write to /srv, and to /tmp, over which systemd-nspawn mounts another one.
    """
    root = directory / "root"
    for place in _PLACES:
        (root / place).mkdir(parents=True)
    busybox = shutil.which("busybox")
    assert busybox is not None
    shutil.copy(busybox, root / "bin/busybox")
    for name in _PROGRAMS:
        (root / "bin" / name).symlink_to("busybox")
    (root / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\n")
    (root / "usr/lib/os-release").write_text("ID=busybox\n")  # without which systemd-nspawn takes it for no system
    (root / "sbin/init").write_text(_INIT)
    for path in (root / "sbin/init", directory, root):
        path.chmod(0o755)
    for name in ("srv", "tmp"):
        (root / name).chmod(0o1777)
    return root


def give(root: Path, uid: int, gid: int) -> None:
    """Make everything of a root, links too, that owner's."""
    for directory, folders, files in os.walk(root):
        for name in (".", *folders, *files):
            os.chown(os.path.join(directory, name), uid, gid, follow_symlinks=False)
