"""Hostile and damaged images: refused with a sentence, nothing touched outside, nothing left behind."""

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cntr_core.errors import ImageError
from cntr_core.images import DevicePolicy, open_image, remove_tree, unpack
from tests.unit.images.layouts import (
    COMPRESSORS,
    LAYER,
    Layout,
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


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Path]:
    """A directory that must be the same after the test."""
    canary = tmp_path / "outside"
    (canary / "keep").mkdir(parents=True)
    (canary / "keep/file").write_text("precious")
    before = tree(canary)
    yield canary
    assert tree(canary) == before


def _unpack(tmp_path: Path, *layers: bytes, devices: DevicePolicy = DevicePolicy.CREATE) -> Path:
    with open_image(layout(tmp_path / "image", *layers)) as image:
        unpack(image, str(tmp_path / "root"), devices=devices)
    return tmp_path / "root"


def _refused(tmp_path: Path, *layers: bytes, devices: DevicePolicy = DevicePolicy.CREATE) -> str:
    with pytest.raises(ImageError) as raised:
        _unpack(tmp_path, *layers, devices=devices)
    assert not (tmp_path / "root").exists(), "a half-unpacked target was left"
    return raised.value.message


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (file("../../x"), "'../../x': the path '../../x' leads outside"),
        (file("a/../../x"), "leads outside"),
        (file("a/b/.."), "leads outside"),
        (hard_link("x", "../outside/keep/file"), "leads outside"),
        (hard_link("x", "nowhere"), "'x': is a hard link to 'nowhere', which is not there"),
        (hard_link("x", "d"), "'x': is a hard link to the directory 'd'"),
        (hard_link("x", "/"), "'x': links to the root"),
        (file("."), "the root is a file"),
        (symlink("./", "/etc"), "the root is a symbolic link"),
        (file("d/.wh.."), "is a whiteout without a name"),
        (file("d/.wh..."), "is a whiteout without a name"),
        (file("d/.wh."), "is a whiteout without a name"),
        (file("dangling/x"), "'dangling/x': File exists"),
        (file("loop/x"), "'loop/x': "),
        (file("f/x"), "'f/x': Not a directory"),
        (file("n" * 256), "has too long a path (at most 4095 bytes in all, and 255 in a name)"),
        (file("/".join(["d" * 200] * 30)), "has too long a path (at most 4095 bytes in all, and 255 in a name)"),
        (file("x", uid=2**32 - 1), "'x': has the impossible owner 4294967295"),
        (file("x", gid=2**40), "has the impossible owner"),
        (member("x", tarfile.CHRTYPE, devmajor=4096), "'x': has the impossible device number 4096:0"),
        (member("x", b"Z"), "'x': is of the unknown type b'Z'"),
        (file("x", pax_headers={"mtime": "1e99999999"}), "'x': has the impossible time '1e99999999'"),
        (file("x", pax_headers={"mtime": "nan"}), "impossible time"),
        (file("a\x1b[31m\n", gid=2**40), r"'a\x1b[31m\n': has the impossible owner"),
    ],
)
@pytest.mark.usefixtures("outside")
def test_a_hostile_member_is_refused_by_name(tmp_path: Path, bad: MemberSpec, words: str) -> None:
    base = tar(directory("d"), file("f"), symlink("dangling", "no/where"), symlink("loop", "loop"))
    message = _refused(tmp_path, base, tar(bad))
    assert words in message
    assert "layer 2 (sha256:" in message
    assert "\x1b" not in message


@pytest.mark.parametrize("link", ["/{outside}", "../../../../../../../../{outside}", "{outside}/keep/.."])
def test_no_planted_link_leads_out(tmp_path: Path, outside: Path, link: str) -> None:
    target = link.format(outside=str(outside).lstrip("/") if link[0] == "." else outside)
    root = _unpack(
        tmp_path,
        tar(symlink("out", target), directory(str(outside).lstrip("/")), directory(f"{outside}/keep")),
        tar(
            file("out/keep/file", b"overwritten"),
            file("out/.wh.keep2"),
            file("out/keep/.wh..wh..opq"),
            hard_link("out/link", "out/keep/file"),
            symlink("out/other", "x"),
            member("out/keep/fifo", tarfile.FIFOTYPE),
        ),
    )
    inside = root / str(outside).lstrip("/")
    assert (inside / "keep/file").read_bytes() == b"overwritten"
    assert sorted(os.listdir(inside)) == ["keep", "link", "other"]


def test_a_whiteout_through_a_link_removes_nothing_outside(tmp_path: Path, outside: Path) -> None:
    root = _unpack(tmp_path, tar(symlink("out", str(outside))), tar(file("out/.wh.keep"), file("out/.wh..wh..opq")))
    assert os.listdir(root) == ["out"]


def test_a_directory_that_becomes_a_link_takes_its_members_along(tmp_path: Path, outside: Path) -> None:
    """The descriptor of the old directory, or the link's target outside, must not be used."""
    root = _unpack(
        tmp_path,
        tar(directory("real"), directory("d"), file("d/1"), symlink("d", "real"), file("d/2")),
        tar(directory("e"), file("e/1"), symlink("e", f"{outside}/keep")),
    )
    assert os.listdir(root / "real") == ["2"]
    assert os.readlink(root / "e") == f"{outside}/keep"


def test_metadata_never_go_through_a_link(tmp_path: Path, outside: Path) -> None:
    bad, _ = symlink("l", str(outside / "keep/file"))
    bad.mode, bad.mtime, bad.pax_headers = 0o777, 5, {"SCHILY.xattr.user.evil": "x"}
    root = _unpack(tmp_path, tar((bad, b"")))
    assert os.lstat(root / "l").st_mtime == 5


def test_devices_can_be_refused(tmp_path: Path) -> None:
    message = _refused(tmp_path, tar(member("dev/sda", tarfile.BLKTYPE, devmajor=8)), devices=DevicePolicy.REFUSE)
    assert "layer 1" in message
    assert "'dev/sda': is a block device, which was not asked for" in message


# --- Damage -----------------------------------------------------------------------------------------------------------


def _layer_blob(path: str) -> Path:
    with open_image(path) as image:
        return Path(path) / image.layers[0].blob


def _some_tar() -> bytes:
    long = "long" * 60
    return tar(directory("d"), file(f"d/{long}", b"x" * 2000, pax_headers={"comment": "y"}), file("e", b"z" * 700))


@pytest.mark.parametrize("compression", COMPRESSORS)
def test_a_layer_with_any_damaged_byte_is_refused(tmp_path: Path, compression: str) -> None:
    path = layout(tmp_path / "image", _some_tar(), compression=compression)
    blob = _layer_blob(path)
    whole = blob.read_bytes()
    for position in range(0, len(whole), max(1, len(whole) // 60)):
        blob.write_bytes(whole[:position] + bytes([whole[position] ^ 0x41]) + whole[position + 1 :])
        with open_image(path) as image, pytest.raises(ImageError, match=r"layer 1 \(sha256:"):
            unpack(image, str(tmp_path / "root"))
        assert not (tmp_path / "root").exists()


@pytest.mark.parametrize("compression", COMPRESSORS)
def test_a_root_tarball_that_is_cut_anywhere_is_refused(tmp_path: Path, compression: str) -> None:
    whole = COMPRESSORS[compression](_some_tar())
    end = len(whole) - 1 if compression else len(_some_tar().rstrip(b"\0"))
    for size in range(1, end, max(1, end // 80)):
        if not compression and size % 512 == 0:
            continue  # tars without an end mark are legal; at such a place nobody can tell
        path = write(tmp_path / "cut.tar", whole[:size])
        with pytest.raises(ImageError, match=r"cut\.tar"), open_image(path) as image:
            unpack(image, str(tmp_path / "root"))
        assert not (tmp_path / "root").exists(), size


def _with_header(content: bytes, at: int, field: slice, value: bytes) -> bytes:
    """Change one field of the header block at `at`, and its checksum."""
    header = bytearray(content[at : at + 512])
    header[field] = value
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return content[:at] + bytes(header) + content[at + 512 :]


def test_a_header_that_claims_gigabytes_is_refused_unread(tmp_path: Path) -> None:
    size = slice(124, 136)
    long_name = _with_header(tar(member("x", tarfile.GNUTYPE_LONGNAME)), 0, size, b"77777777777\0")
    assert "claims 8589934591 bytes" in _refused(tmp_path, long_name)


def test_a_negative_size_is_refused(tmp_path: Path) -> None:
    negative = _with_header(tar(file("a"), file("b")), 512, slice(124, 136), b"\xff" * 12)
    assert "claims -1 bytes" in _refused(tmp_path, negative)


def test_a_corrupt_header_is_not_taken_for_the_end(tmp_path: Path) -> None:
    content = bytearray(tar(file("a"), file("b")))
    content[512] ^= 1
    assert "truncated or corrupt: bad checksum" in _refused(tmp_path, bytes(content))


def test_nothing_hides_behind_the_end(tmp_path: Path) -> None:
    assert "goes on after an end mark" in _refused(tmp_path, tar(file("a"))[:512] + bytes(512) + tar(file("b")))


def test_headers_upon_headers_are_refused(tmp_path: Path) -> None:
    info, _ = file("x", pax_headers={"comment": "c"})
    header = info.tobuf(tarfile.PAX_FORMAT)[:1024]
    assert "truncated or corrupt" in _refused(tmp_path, header * 3000 + tar(file("a")))


def test_a_sparse_map_that_lies_is_refused(tmp_path: Path) -> None:
    headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "x", "GNU.sparse.realsize": "10"}
    content = b"2\n5\n5\n0\n99999\n".ljust(512, b"\0") + b"x" * 512
    message = _refused(tmp_path, tar(file("x", content, pax_headers=headers)))
    assert "map of holes" in message or "corrupt" in message


def test_too_many_bytes_are_noticed_as_well_as_too_few(tmp_path: Path) -> None:
    path = layout(tmp_path / "image", tar(file("a")))
    blob = _layer_blob(path)
    size = blob.stat().st_size
    blob.write_bytes(blob.read_bytes() + b"\0")
    with open_image(path) as image, pytest.raises(ImageError, match=f"larger than the {size} bytes"):
        unpack(image, str(tmp_path / "root"))
    blob.write_bytes(blob.read_bytes()[:-2])
    with open_image(path) as image, pytest.raises(ImageError, match=f"has {size - 1} bytes where {size} belong"):
        unpack(image, str(tmp_path / "root"))


def test_the_tar_inside_must_be_the_one_that_the_configuration_names(tmp_path: Path) -> None:
    """A blob with a right digest and other content than its DiffID says."""
    made = Layout()
    named = made.image([tar(file("a"))])
    manifest = json.loads(made.files["blobs/" + named["digest"].replace(":", "/")])
    manifest["layers"] = [made.blob(gzip.compress(tar(file("b"))), LAYER)]
    path = made.top(made.blob(json.dumps(manifest).encode(), named["mediaType"])).write(str(tmp_path / "image"))
    with open_image(path) as image, pytest.raises(ImageError, match="its tar does not have the digest"):
        unpack(image, str(tmp_path / "root"))
    assert not (tmp_path / "root").exists()


def test_an_interrupted_unpacking_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    count = iter(range(10**6))
    original = os.chmod

    def interrupted(*arguments: object, **options: object) -> None:
        if next(count) == 5:
            raise KeyboardInterrupt
        original(*arguments, **options)  # type: ignore[arg-type] - passed through

    with open_image(layout(tmp_path / "image", tar(*(file(f"d/{n}") for n in range(20))))) as image:
        monkeypatch.setattr(os, "chmod", interrupted)
        with pytest.raises(KeyboardInterrupt):
            unpack(image, str(tmp_path / "root"))
    assert not (tmp_path / "root").exists()


def test_an_existing_target_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root/mine").touch()
    with pytest.raises(FileExistsError):
        _unpack(tmp_path, tar(file("a")))
    assert os.listdir(tmp_path / "root") == ["mine"]


# --- Removing what they left ------------------------------------------------------------------------------------------


def test_removing_goes_deeper_than_recursion_and_descriptors_could(tmp_path: Path) -> None:
    top = tmp_path / "deep"
    top.mkdir()
    fd = os.open(top, os.O_RDONLY)
    for _ in range(5000):
        os.mkdir("d", dir_fd=fd)
        os.symlink("/etc", "l", dir_fd=fd)
        below = os.open("d", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(fd)
    remove_tree(str(top))
    assert not top.exists()


def test_removing_follows_no_link(tmp_path: Path, outside: Path) -> None:
    top = tmp_path / "tree"
    top.mkdir()
    (top / "link").symlink_to(outside)
    remove_tree(str(top))
    with pytest.raises(NotADirectoryError):
        (tmp_path / "link").symlink_to(outside)
        remove_tree(str(tmp_path / "link"))


def test_removing_what_is_not_there_is_fine(tmp_path: Path) -> None:
    remove_tree(str(tmp_path / "nothing"))


def test_unreadable_archives_are_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"image .*/text: it is not a tar archive"):
        open_image(write(tmp_path / "text", b"hello, world\n" * 100))
    with pytest.raises(ImageError, match="not a tar archive"):
        open_image(write(tmp_path / "empty", b""))
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(ImageError, match="not a regular file"):
        open_image(str(tmp_path / "fifo"))


def test_a_tar_reader_never_raises_anything_else(tmp_path: Path) -> None:
    """Every header byte set to some values: refused or unpacked, never a crash."""
    whole = tar(file("a/b", b"x" * 10, pax_headers={"mtime": "1.5", "SCHILY.xattr.user.a": "b"}), symlink("l", "a"))
    stream = io.BytesIO()
    for position in range(0, len(whole), 7):
        for value in (0x00, 0xFF, 0x37):
            stream = io.BytesIO(whole[:position] + bytes([value]) + whole[position + 1 :])
            path = write(tmp_path / "root.tar", stream.getvalue())
            try:
                with open_image(path) as image:
                    unpack(image, str(tmp_path / "root"))
            except ImageError:
                assert not (tmp_path / "root").exists()
            else:
                remove_tree(str(tmp_path / "root"))
