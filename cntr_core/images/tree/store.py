"""Where the tars of compressed layers are kept for the next time, by their DiffIDs."""

from __future__ import annotations

import os
from contextlib import suppress

from ...kept import private_directory
from ...room import room
from ..image import LayerTar
from ..read.blobs import closed_by_failure, spool_verified, write_all
from ..streams import Budget


class CachedLayers:
    """Plain tars in a directory that its user alone can write. A tar appears there under its name whole and verified,
    or not at all; where the directory cannot be written, nothing is kept."""

    def __init__(self, directory: str) -> None:
        self._directory = directory

    def find(self, diff_id: str) -> int | None:
        """A descriptor of the verified tar with this DiffID, None where there is none."""
        try:
            return os.open(self._path(diff_id), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC) if diff_id else None
        except OSError:
            return None

    def add(self, diff_id: str, tar: LayerTar) -> int:
        """A descriptor of a file with all of `tar`; :raises ImageError: it is not what it should be, or has no room."""
        fd = self._new_file() if diff_id else None
        if fd is None:
            return spool_verified(tar)
        with closed_by_failure(fd), room(self._directory, "CNTR_CACHE_DIR"):
            write_all(tar, fd, Budget.of_filesystem(self._directory))
            tar.finish()
            with suppress(FileExistsError):
                # Python follows the link (linkat(2), AT_SYMLINK_FOLLOW) only where a descriptor is named, too.
                os.link(f"/proc/self/fd/{fd}", self._path(diff_id), src_dir_fd=fd, follow_symlinks=True)
        return fd

    def _new_file(self) -> int | None:
        """A nameless file, which goes when we do; None where none can be made."""
        try:
            private_directory(self._directory)
            return os.open(self._directory, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError:
            return None

    def _path(self, diff_id: str) -> str:
        return os.path.join(self._directory, diff_id.replace(":", "-"))
