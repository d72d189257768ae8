"""An image's layers, mounted without being unpacked: every file is there, exactly, and whoever looks is noticed."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from cntr_slimmer.trace.observer import TraceObserver
from cntr_slimmer.trace.record import Access

from cntr_core import MountRequest
from cntr_core.errors import SessionError
from cntr_core.images import open_image, unpack
from cntr_core.images.tree.layers import OpenLayers, open_layers
from cntr_core.kernel import process
from cntr_core.kernel.mounts import AT_FDCWD, MNT_DETACH, move_mount, umount2
from tests.mounted.mounting import filesystem
from tests.unit.images.layouts import directory, file, hard_link, layout, symlink, tar, tree

pytestmark = pytest.mark.requires("root", "fuse")
TRANSPORTS = ["direct", "pyfuse3"]


@contextmanager
def mounted(
    transport: str, place: Path, *layers: OpenLayers, watch: TraceObserver | None = None
) -> Iterator[int | None]:
    """The layers at `place`, several images as a union; gives a pidfd of the server."""
    place.mkdir()
    request = MountRequest([one.branch() for one in layers], immutable=True, observer=watch)
    with filesystem(transport).mount(request) as mount:
        move_mount(mount.fd, "", AT_FDCWD, place)
        try:
            yield mount.server
        finally:
            umount2(place, MNT_DETACH)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_mounted_image_is_the_unpacked_one(transport: str, tmp_path: Path, nginx_archive: str) -> None:
    with open_image(nginx_archive) as image, open_layers(image) as layers:
        unpack(image, str(tmp_path / "unpacked"))
        with mounted(transport, tmp_path / "mounted", layers):
            assert tree(tmp_path / "mounted") == tree(tmp_path / "unpacked")


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_union_of_two_images_has_the_first_on_top(transport: str, tmp_path: Path) -> None:
    slim = layout(tmp_path / "slim", tar(directory("etc", mode=0o711), file("etc/a", b"slim"), symlink("l", "etc")))
    fat = layout(tmp_path / "fat", tar(directory("etc"), file("etc/a", b"fat"), file("etc/b", b"fat"), file("l/x")))
    with (
        open_image(slim) as one,
        open_image(fat) as other,
        open_layers(one) as above,
        open_layers(other) as below,
        mounted(transport, tmp_path / "mounted", above, below),
    ):
        top = tmp_path / "mounted"
        assert (top / "etc/a").read_bytes() == b"slim" and (top / "etc/b").read_bytes() == b"fat"
        assert top.joinpath("etc").stat().st_mode & 0o777 == 0o711
        assert os.readlink(top / "l") == "etc" and not os.path.lexists(top / "l/x")


def _watched(transport: str, tmp_path: Path, layer: bytes, *commands: Sequence[str]) -> list[Access]:
    with open_image(layout(tmp_path / "image", layer)) as image, open_layers(image) as layers:
        watch = TraceObserver()
        with mounted(transport, tmp_path / "mounted", layers, watch=watch):
            for command in commands:
                subprocess.run(command, cwd=tmp_path / "mounted", capture_output=True)
        accesses, processes = watch.records()
        watch.release()
    names = {os.fsdecode(one.exe).rpartition("/")[2] for one in processes}
    assert {os.path.basename(os.path.realpath(f"/usr/bin/{command[0]}")) for command in commands} <= names
    return list(accesses)


LAYER = tar(
    directory("d"),
    file("d/one", b"1"),
    file("d/one-more", b"2"),
    file("empty"),
    file("other", b"x" * 300_000),
    hard_link("hard", "d/one"),
    symlink("link", "d/one"),
)


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize(
    ("command", "path", "operation", "number"),
    [
        (("cat", "d/one"), "/d/one", "read", 0),
        (("stat", "d/one-more"), "/d/one-more", "lookup", 0),
        (("cat", "link"), "/link", "readlink", 0),
        (("cat", "link"), "/d/one", "read", 0),
        (("cat", "d/../other"), "/other", "read", 0),
        (("stat", "absent"), "/absent", "lookup", 2),
        (("ls", "d"), "/d", "readdir", 0),
        (("cat", "empty"), "/empty", "lookup", 0),
        (("cat", "hard"), "/hard", "lookup", 0),
    ],
)
def test_each_kind_of_access_is_noticed(
    transport: str, tmp_path: Path, command: Sequence[str], path: str, operation: str, number: int
) -> None:
    accesses = _watched(transport, tmp_path, LAYER, command)
    assert (os.fsencode(path), operation, number) in {(a.path, a.operation, a.errno) for a in accesses}
    neighbours = {a.path for a in accesses} & {b"/d/one", b"/d/one-more", b"/other"}
    assert neighbours <= {os.fsencode(path), b"/d/one"}  # /a is not /ab, and a directory is not what is in it


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_what_was_listed_first_is_still_noticed(transport: str, tmp_path: Path) -> None:
    """READDIRPLUS gives the kernel what a look-up would: a file that is only looked at must not hide behind that."""
    accesses = _watched(transport, tmp_path, LAYER, ("ls", "d"), ("stat", "d/one-more"), ("test", "-e", "d/one"))
    assert {b"/d/one", b"/d/one-more"} <= {a.path for a in accesses if a.operation == "lookup"}


def test_a_trace_whose_server_was_killed_is_refused(tmp_path: Path) -> None:
    with open_image(layout(tmp_path / "image", LAYER)) as image, open_layers(image) as layers:
        watch = TraceObserver()
        with mounted("direct", tmp_path / "mounted", layers, watch=watch) as server:
            os.stat(tmp_path / "mounted/other")
            assert server is not None
            process.pidfd_send_signal(server, 9)
        with pytest.raises(SessionError, match="incomplete"):
            watch.records()
        watch.release()
