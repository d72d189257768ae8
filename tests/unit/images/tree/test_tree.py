"""The merged tree is what unpacking makes on disk, or is refused where unpacking is."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from hypothesis import example, given

from cntr_core.errors import ImageError
from cntr_core.images import open_image, unpack
from cntr_core.images.tree.view import TreeView
from tests.unit.images.layouts import directory, file, hard_link, layout, member, symlink, tar, tree
from tests.unit.images.tree.layered import LAYERS, described, opened


def _unpacked(base: Path, layers: list[bytes]) -> dict[str, tuple[object, ...]] | None:
    try:
        with open_image(layout(base / "image", *layers)) as image:
            unpack(image, str(base / "root"))
    except ImageError:
        return None
    return tree(base / "root")


@given(LAYERS)
@example([tar(hard_link("b", "a"), file("a"))])
@example([tar(file("d/f")), tar(file(".wh.d"), file("d/g"))])
@example([tar(symlink("l", "d"), file("d/f")), tar(file("l/g"), hard_link("h", "l/f"))])
@example([tar(file("a", b"1"), hard_link("b", "a")), tar(file("a", b"2")), tar(hard_link("c", "b"), file(".wh.b"))])
@pytest.mark.requires("root")
def test_merging_is_unpacking(tmp_path_factory: pytest.TempPathFactory, layers: list[bytes]) -> None:
    base = tmp_path_factory.mktemp("merge")
    try:
        expected = _unpacked(base, layers)
        if expected is None:
            with pytest.raises(ImageError), opened(layers):
                pass
            return
        with opened(layers) as merged:
            found = described(merged)
        del found["."], expected["."]  # a root that no member describes has the time of its making
        assert found == expected
    finally:
        shutil.rmtree(base)


@pytest.mark.requires("root")
def test_everything_about_a_member_is_kept(tmp_path: Path) -> None:
    pax = {"mtime": "1234567890.123456789", "SCHILY.xattr.user.note": "a\nb=\udcff"}
    layer = tar(
        directory("d", mode=0o1777, uid=3, gid=4, mtime=99),
        file("d/f", b"x", mode=0o6755, uid=1000, gid=2**31, pax_headers=pax),
        hard_link("also", "d/f"),
        symlink("l", "/somewhere/../else"),
        hard_link("l2", "l"),
        member("null", tarfile.CHRTYPE, devmajor=1, devminor=300, mode=0o666),
        member("fifo", tarfile.FIFOTYPE, mode=0o600, mtime=-5),
        file("d/invalid-\udcff\nname", b"y"),
        directory(".", mode=0o711, uid=7, mtime=1_000_000_000),
    )
    expected = _unpacked(tmp_path, [layer])
    with opened([layer]) as merged:
        assert described(merged) == expected


@pytest.mark.requires("root")
def test_a_debian_root_is_the_unpacked_one(tmp_path: Path, debian_archive: str) -> None:
    with open_image(debian_archive) as image:
        unpack(image, str(tmp_path / "root"))
        (layer,) = image.layers
        content = subprocess.run(["tar", "xOf", debian_archive, layer.blob], check=True, stdout=subprocess.PIPE).stdout
    with opened([content]) as merged:
        assert described(merged) == tree(tmp_path / "root")


def test_sparse_files_are_read_with_their_holes(tmp_path: Path) -> None:
    sparse = tmp_path / "sparse"
    with open(sparse, "wb") as out:
        for number in range(20):
            out.seek(number * 1_000_000)
            out.write(b"data %d" % number)
        out.truncate(30_000_000)
    archive = tmp_path / "sparse.tar"
    subprocess.run(["tar", "-C", tmp_path, "-S", "-cf", archive, "sparse"], check=True)
    with opened([archive.read_bytes()]) as merged:
        one = merged.tree.resolve(b"/sparse").file
        assert merged.contents.read(one, one.entry.size, 0) == sparse.read_bytes()
        assert merged.contents.read(one, 30, 999_990) == sparse.read_bytes()[999_990:1_000_020]


@pytest.mark.parametrize(
    ("path", "real", "links"),
    [
        (b"/lib/x", b"/usr/lib/x", (b"/lib",)),
        (b"/abs/x", b"/usr/lib/x", (b"/abs", b"/lib")),
        (b"/usr/../../lib/./x", b"/usr/lib/x", (b"/lib",)),
        (b"/up/usr/lib/x", b"/usr/lib/x", (b"/up",)),
        (b"/chain", b"/usr/lib/x", (b"/chain", b"/lib")),
    ],
)
def test_paths_are_followed_as_in_the_images_root(path: bytes, real: bytes, links: tuple[bytes, ...]) -> None:
    layer = tar(
        file("usr/lib/x", b"content"),
        symlink("lib", "usr/lib"),
        symlink("abs", "/lib"),
        symlink("up", "../../.."),
        symlink("chain", "lib/x"),
        symlink("loop", "loop"),
        symlink("dangling", "/nowhere"),
    )
    with opened([layer]) as merged:
        view = TreeView(merged.tree, merged.contents)
        found = view.lookup(path)
        assert found is not None
        assert (found.path, found.links) == (real, links)
        assert view.read(path, 4) == b"cont"
        for absent in (b"/loop", b"/dangling", b"/usr/lib/x/below", b"/nothing"):
            assert view.lookup(absent) is None
        link = view.lookup(b"/dangling", follow=False)
        assert link is not None and link.target == b"/nowhere"
        assert view.list(b"/lib") == [b"x"] and view.list(b"/lib/x") == ()


def test_a_hostile_member_is_named_with_its_layer() -> None:
    with pytest.raises(ImageError) as caught, opened([tar(file("ok")), tar(hard_link("a", "gone"))]):
        pass
    assert "layer 2" in caught.value.message and "'a'" in caught.value.message
    assert os.sep not in caught.value.message.split("'a'")[0]
