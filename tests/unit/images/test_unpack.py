"""Unpacking: what is in the layers is in the directory, and nothing else, whatever their order."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import tarfile
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given

from cntr_core.errors import ImageError
from cntr_core.images import Budget, DevicePolicy, Unpacked, open_image, unpack
from tests.unit.images.layouts import (
    COMPRESSORS,
    MemberSpec,
    directory,
    file,
    hard_link,
    layout,
    member,
    symlink,
    tar,
    tree,
    write,
)


def unpacked(tmp_path: Path, *layers: bytes, compression: str = "", **options: object) -> tuple[Path, Unpacked]:
    """Write an image of these layers, and unpack it."""
    target = tmp_path / "root"
    with open_image(layout(tmp_path / "image", *layers, compression=compression)) as image:
        return target, unpack(image, str(target), **options)  # type: ignore[arg-type] - passed through


@pytest.mark.parametrize("compression", COMPRESSORS)
def test_layers_are_decompressed_whatever_their_format(tmp_path: Path, compression: str) -> None:
    content = os.urandom(300_000)
    root, report = unpacked(tmp_path, tar(file("a", content)), tar(file("b", b"b" * 900_000)), compression=compression)
    assert (root / "a").read_bytes() == content
    assert (root / "b").read_bytes() == b"b" * 900_000
    assert report == Unpacked(members=2, skipped=())


@pytest.mark.parametrize("compression", ["gzip", "zstd", "xz"])
def test_a_root_tarball_in_several_frames_with_padding(tmp_path: Path, compression: str) -> None:
    whole = tar(file("a", b"1" * 5000), file("b", b"2" * 5000))
    compress = COMPRESSORS[compression]
    path = write(tmp_path / "root.tar", compress(whole[:3000]) + compress(whole[3000:]) + b"\0" * 512)
    with open_image(path) as image:
        unpack(image, str(tmp_path / "root"))
    assert (tmp_path / "root/b").read_bytes() == b"2" * 5000


@pytest.mark.requires("root")
def test_everything_about_a_member_is_kept(tmp_path: Path) -> None:
    pax = {"mtime": "1234567890.123456789", "SCHILY.xattr.user.note": "a\nb=\udcff"}
    capability = "\x01\0\0\x02\0\x04" + "\0" * 14  # cap_net_bind_service+ep, version 2
    root, report = unpacked(
        tmp_path,
        tar(
            directory("d", mode=0o1777, uid=3, gid=4, mtime=99),
            file("d/f", b"x", mode=0o6755, uid=1000, gid=2**31, pax_headers=pax),
            file("cap", b"", mode=0o755, uid=5, pax_headers={"SCHILY.xattr.security.capability": capability}),
            hard_link("also", "d/f"),
            symlink("l", "/somewhere/../else"),
            hard_link("l2", "l"),
            member("null", tarfile.CHRTYPE, devmajor=1, devminor=300, mode=0o666),
            member("disk", tarfile.BLKTYPE, devmajor=259, devminor=7),
            member("fifo", tarfile.FIFOTYPE, mode=0o600, mtime=-5),
            directory(".", mode=0o711, uid=7, mtime=1_000_000_000),
        ),
    )
    status = os.lstat(root / "d/f")
    assert oct(status.st_mode) == oct(stat.S_IFREG | 0o6755)
    assert (status.st_uid, status.st_gid, status.st_mtime_ns) == (1000, 2**31, 1234567890123456789)
    assert os.getxattr(root / "d/f", "user.note") == b"a\nb=\xff"
    assert os.getxattr(root / "cap", "security.capability") == capability.encode("latin-1")
    assert os.path.samefile(root / "also", root / "d/f")
    assert os.readlink(root / "l") == "/somewhere/../else"
    assert os.lstat(root / "l").st_ino == os.lstat(root / "l2").st_ino
    assert os.lstat(root / "null").st_rdev == os.makedev(1, 300)
    assert stat.S_ISBLK(os.lstat(root / "disk").st_mode)
    assert (stat.S_ISFIFO(os.lstat(root / "fifo").st_mode), os.lstat(root / "fifo").st_mtime) == (True, -5)
    directory_status, top = os.lstat(root / "d"), os.lstat(root)
    assert oct(directory_status.st_mode) == oct(stat.S_IFDIR | 0o1777)
    assert (directory_status.st_uid, directory_status.st_mtime) == (3, 99)
    assert (top.st_uid, top.st_mtime, oct(top.st_mode)) == (7, 1_000_000_000, oct(stat.S_IFDIR | 0o711))
    assert report.skipped == ()


@pytest.mark.requires("root")
def test_unpacking_gives_what_gnu_tar_gives(tmp_path: Path, debian_archive: str) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    with open_image(debian_archive) as image:
        (layer,) = image.layers
        unpack(image, str(tmp_path / "ours"))
    blob = subprocess.run(["tar", "xOf", debian_archive, layer.blob], check=True, stdout=subprocess.PIPE).stdout
    subprocess.run(["tar", "--xattrs", "--xattrs-include=*", "-xC", str(theirs)], check=True, input=blob)
    assert tree(tmp_path / "ours") == tree(theirs)


@pytest.mark.parametrize(
    "form", ["--format=gnu", "--sparse-version=0.0", "--sparse-version=0.1", "--sparse-version=1.0"]
)
def test_holes_stay_holes(tmp_path: Path, form: str) -> None:
    sparse = tmp_path / "in/sparse"
    sparse.parent.mkdir()
    with open(sparse, "wb") as out:
        for number in range(20):  # more than the four or so that fit into the first header
            out.seek(number * 10_000_000)
            out.write(b"data %d" % number)
        out.truncate(300_000_000)
    archive = tmp_path / "sparse.tar"
    pax = [] if form == "--format=gnu" else ["--format=pax"]
    subprocess.run(["tar", "-C", sparse.parent, "-S", *pax, form, "-cf", archive, "sparse"], check=True)
    with open_image(str(archive)) as image:
        unpack(image, str(tmp_path / "root"))
    result = tmp_path / "root/sparse"
    assert result.stat().st_size == 300_000_000
    assert result.stat().st_blocks * 512 < 2_000_000
    subprocess.run(["cmp", sparse, result], check=True)


def test_missing_parents_are_made_alike_every_time(tmp_path: Path) -> None:
    root, _ = unpacked(tmp_path, tar(file("a/b/c", b"x", mtime=5)))
    for name in ("a", "a/b"):
        status = os.lstat(root / name)
        assert (oct(status.st_mode), status.st_mtime) == (oct(stat.S_IFDIR | 0o755), 0)


def test_parents_lead_through_links_of_lower_layers(tmp_path: Path) -> None:
    root, _ = unpacked(
        tmp_path, tar(directory("usr/lib"), symlink("lib", "usr/lib")), tar(file("lib/new", b"x"), file("/lib/abs"))
    )
    assert os.readlink(root / "lib") == "usr/lib"
    assert sorted(os.listdir(root / "usr/lib")) == ["abs", "new"]


@pytest.mark.parametrize(
    ("lower", "upper", "expected"),
    [
        pytest.param(directory("x"), file("x", b"now a file"), b"now a file", id="directory-becomes-file"),
        pytest.param(symlink("x", "y"), file("x", b"now a file"), b"now a file", id="link-is-not-written-through"),
        pytest.param(file("x", b"old"), file("x", b"new"), b"new", id="file-is-replaced"),
    ],
)
def test_a_member_replaces_what_has_its_name(
    tmp_path: Path, lower: MemberSpec, upper: MemberSpec, expected: bytes
) -> None:
    root, _ = unpacked(tmp_path, tar(lower, file("y", b"untouched"), file("z")), tar(upper))
    assert (root / "x").read_bytes() == expected
    assert (root / "y").read_bytes() == b"untouched"


def test_a_replaced_file_keeps_its_other_names(tmp_path: Path) -> None:
    root, _ = unpacked(tmp_path, tar(file("a", b"old"), hard_link("b", "a")), tar(file("a", b"new")))
    assert ((root / "a").read_bytes(), (root / "b").read_bytes()) == (b"new", b"old")


def test_the_last_of_several_members_of_one_name_counts(tmp_path: Path) -> None:
    root, report = unpacked(tmp_path, tar(file("a", b"1"), directory("a"), file("a/b"), file("a", b"2")))
    assert (root / "a").read_bytes() == b"2"
    assert report.members == 4


def test_a_hard_link_to_itself_changes_nothing(tmp_path: Path) -> None:
    root, _ = unpacked(tmp_path, tar(file("a", b"1"), hard_link("a", "a")))
    assert (root / "a").read_bytes() == b"1"


def test_a_directory_keeps_its_time_while_it_is_filled(tmp_path: Path) -> None:
    root, _ = unpacked(tmp_path, tar(directory("d", mtime=7), file("d/a")), tar(file("d/b")))
    assert os.lstat(root / "d").st_mtime == 7
    assert sorted(os.listdir(root / "d")) == ["a", "b"]


def test_names_are_bytes(tmp_path: Path) -> None:
    root, _ = unpacked(tmp_path, tar(file("new\nline"), file("\udcff\udcfe", b"x"), symlink("l", "\udcff")))
    assert sorted(os.listdir(os.fsencode(root))) == [b"l", b"new\nline", b"\xff\xfe"]
    assert os.readlink(os.fsencode(root / "l")) == b"\xff"


def test_aufs_litter_is_left_out(tmp_path: Path) -> None:
    root, _ = unpacked(
        tmp_path, tar(directory(".wh..wh.plnk"), file(".wh..wh.plnk/1.2"), file(".wh..wh.aufs"), file("a"))
    )
    assert os.listdir(root) == ["a"]


@pytest.mark.parametrize(("policy", "there"), [(DevicePolicy.SKIP, False), (DevicePolicy.CREATE, True)])
@pytest.mark.requires("root")
def test_devices_are_made_or_named_as_missing(tmp_path: Path, policy: DevicePolicy, there: bool) -> None:
    root, report = unpacked(tmp_path, tar(member("dev/sda", tarfile.BLKTYPE, devmajor=8), file("a")), devices=policy)
    assert (root / "dev/sda").exists() is there
    assert report.skipped == (() if there else ((b"dev/sda", "a block device"),))


def test_what_overlayfs_keeps_for_itself_is_not_content(tmp_path: Path) -> None:
    headers = {"SCHILY.xattr.trusted.overlay.redirect": "/etc", "SCHILY.xattr.user.overlay.opaque": "y"}
    root, _ = unpacked(tmp_path, tar(directory("d", pax_headers=headers)))
    assert [name for name in os.listxattr(root / "d") if "overlay" in name] == []


# --- Whiteouts, against a model ---------------------------------------------------------------------------------------

Names = tuple[str, ...]
_WORDS = st.sampled_from(["a", "b", "c"])
_PATHS = st.lists(_WORDS, min_size=1, max_size=3).map(tuple)
_LAYERS = st.lists(
    st.tuples(
        st.dictionaries(_PATHS, st.sampled_from(["file", "directory"]), max_size=6),
        st.sets(_PATHS, max_size=3),
        st.sets(_PATHS, max_size=2),
        st.randoms(use_true_random=False),
    ),
    min_size=1,
    max_size=4,
)


def _consistent(entries: dict[Names, str]) -> dict[Names, str]:
    """A layer's entries, with every parent a directory."""
    result: dict[Names, str] = {}
    for path, kind in entries.items():
        for depth in range(1, len(path)):
            result[path[:depth]] = "directory"
        result.setdefault(path, kind)
    return result


def _apply(
    lower: dict[Names, str], entries: dict[Names, str], gone: set[Names], opaque: set[Names]
) -> dict[Names, str]:
    """What image-spec says: whiteouts act on lower layers, and on those alone."""
    kept = {
        path: kind
        for path, kind in lower.items()
        if not any(path[: len(g)] == g for g in gone)
        and not any(len(path) > len(o) and path[: len(o)] == o for o in opaque)
        and not any(path[:depth] in entries and entries[path[:depth]] == "file" for depth in range(1, len(path) + 1))
    }
    # A directory over a lower file replaces it.
    return {path: kind for path, kind in kept.items() if path not in entries} | entries


@given(_LAYERS)
def test_layers_merge_as_the_specification_says_in_any_order_of_members(
    tmp_path_factory: pytest.TempPathFactory, layers: list[tuple[dict[Names, str], set[Names], set[Names], object]]
) -> None:
    expected: dict[Names, str] = {}
    tars = []
    for raw, gone, opaque, shuffler in layers:
        entries = _consistent(raw)
        # A whiteout's parent is a directory in its layer or below: the others could not be written by any tool.
        gone = {path for path in gone if _is_below_directories(path, entries, expected)}
        opaque = {path for path in opaque if entries.get(path) == "directory"}
        members = [directory("/".join(p)) if k == "directory" else file("/".join(p)) for p, k in entries.items()]
        members += [file("/".join((*path[:-1], ".wh." + path[-1]))) for path in gone]
        members += [file("/".join((*path, ".wh..wh..opq"))) for path in opaque]
        shuffler.shuffle(members)  # type: ignore[attr-defined]
        members.sort(key=lambda spec: 0 if _replaces(spec[0], expected, entries) else 1)
        expected = _apply(expected, entries, gone, opaque)
        tars.append(tar(*members))
    base = tmp_path_factory.mktemp("merge")
    try:
        root, _ = unpacked(base, *tars)
        found = {
            tuple(path.relative_to(root).parts): "directory" if path.is_dir() else "file" for path in root.rglob("*")
        }
        assert found == expected
    finally:
        shutil.rmtree(base)


def _is_below_directories(path: Names, entries: dict[Names, str], lower: dict[Names, str]) -> bool:
    parents = [path[:depth] for depth in range(1, len(path))]
    return all((entries.get(parent) or lower.get(parent)) == "directory" for parent in parents)


def _replaces(info: tarfile.TarInfo, lower: dict[Names, str], entries: dict[Names, str]) -> bool:
    """A directory where lower layers have a file comes before its children in every real layer."""
    path = tuple(info.name.split("/"))
    return entries.get(path) == "directory" and lower.get(path) == "file"


@pytest.mark.parametrize("last", [False, True], ids=["whiteout-first", "whiteout-last"])
def test_an_opaque_directory_hides_lower_children_only(tmp_path: Path, last: bool) -> None:
    own = [directory("d"), file("d/new"), directory("d/sub"), file("d/sub/new")]
    mark = [file("d/.wh..wh..opq")]
    root, _ = unpacked(
        tmp_path,
        tar(
            directory("d"), file("d/old"), directory("d/sub"), file("d/sub/old"), directory("d/gone"), file("d/gone/x")
        ),
        tar(*(own + mark if last else mark + own)),
    )
    assert sorted(str(path.relative_to(root)) for path in root.rglob("*")) == ["d", "d/new", "d/sub", "d/sub/new"]


@pytest.mark.parametrize("last", [False, True], ids=["whiteout-first", "whiteout-last"])
def test_a_whiteout_beside_a_new_directory_hides_the_old_one(tmp_path: Path, last: bool) -> None:
    own, mark = [directory("d"), file("d/new")], [file(".wh.d")]
    root, _ = unpacked(tmp_path, tar(directory("d"), file("d/old")), tar(*(own + mark if last else mark + own)))
    assert os.listdir(root / "d") == ["new"]


def test_a_whiteout_of_nothing_is_nothing(tmp_path: Path) -> None:
    root, _ = unpacked(
        tmp_path, tar(file("a")), tar(file(".wh.b"), file("x/y/.wh.b"), file("a/.wh.c"), file("no/.wh..wh..opq"))
    )
    assert os.listdir(root) == ["a"]


# --- Limits -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compression", ["gzip", "zstd", "xz"])
def test_a_bomb_is_stopped_in_time(tmp_path: Path, compression: str) -> None:
    bomb = tar(file("zeros", bytes(50_000_000)))
    with pytest.raises(ImageError, match=r"layer 1 .*does not fit into the free space"):
        unpacked(tmp_path, bomb, compression=compression, budget=Budget(10_000_000, 100))
    assert not (tmp_path / "root").exists()


def test_a_million_entries_are_stopped_in_time(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="does not fit into the free space"):
        unpacked(tmp_path, tar(*(file(str(n)) for n in range(50))), budget=Budget(1 << 30, 49))


def test_the_budget_is_shared_by_all_layers(tmp_path: Path) -> None:
    layer = tar(file("a", bytes(20_000)))
    with pytest.raises(ImageError, match="layer 3 "):
        unpacked(
            tmp_path, layer, tar(file("b", bytes(20_000))), tar(file("c", bytes(20_000))), budget=Budget(70_000, 99)
        )
