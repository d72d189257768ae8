"""The built-in backends keep the contract that is shipped for authors of others."""

from __future__ import annotations

import pytest

from cntr_core import Filesystem
from cntr_core.testing import FilesystemContract

pytestmark = pytest.mark.requires("root")


@pytest.mark.requires("overlayfs")
class TestKernel(FilesystemContract):
    writes = False

    @pytest.fixture
    def filesystem(self) -> Filesystem:
        return _backend("kernel")


@pytest.mark.requires("fuse")
class TestDirect(FilesystemContract):
    @pytest.fixture
    def filesystem(self) -> Filesystem:
        return _backend("direct")


@pytest.mark.requires("fuse")
class TestPyfuse3(FilesystemContract):
    @pytest.fixture
    def filesystem(self) -> Filesystem:
        return _backend("pyfuse3")


def _backend(name: str) -> Filesystem:
    from cntr_core.plugins import load

    return next(filesystem for filesystem in load().filesystems if filesystem.name == name)
