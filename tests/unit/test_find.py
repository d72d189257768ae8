"""Paths are followed in a branch as in a root of its own."""

from __future__ import annotations

import errno

import pytest

from cntr_core.filesystem import find
from tests.unit.images.layouts import file, symlink, tar
from tests.unit.images.tree.layered import opened

_LAYER = tar(
    file("usr/lib/x", b"content"),
    symlink("lib", "usr/lib"),
    symlink("abs", "/lib"),
    symlink("up", "../../.."),
    symlink("chain", "lib/x"),
    symlink("loop", "loop"),
)


@pytest.mark.parametrize(
    ("path", "follow", "real"),
    [
        (b"lib/x", True, b"/usr/lib/x"),
        (b"abs/x", True, b"/usr/lib/x"),
        (b"usr/../../lib/./x", True, b"/usr/lib/x"),
        (b"up/usr/lib/x", True, b"/usr/lib/x"),
        (b"chain", True, b"/usr/lib/x"),
        (b"chain", False, b"/chain"),
        (b"", True, b"/"),
    ],
)
def test_a_path_leads_where_the_kernel_would(path: bytes, follow: bool, real: bytes) -> None:
    with opened([_LAYER]) as layers:
        assert find(layers.branch(), path, follow=follow).file.path == real


@pytest.mark.parametrize(
    ("path", "number"), [(b"loop", errno.ELOOP), (b"no", errno.ENOENT), (b"chain/x", errno.ENOTDIR)]
)
def test_a_path_that_leads_nowhere(path: bytes, number: int) -> None:
    with opened([_LAYER]) as layers, pytest.raises(OSError) as raised:
        find(layers.branch(), path)
    assert raised.value.errno == number
