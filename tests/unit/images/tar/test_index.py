"""The index of a layer tells what tarfile tells, or refuses; it never crashes and never disagrees."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from cntr_core.errors import ImageError
from cntr_core.images import Budget, open_image
from cntr_core.images.streams import Reader, Window
from cntr_core.images.tar.index import Entry, LayerIndex, read_index
from cntr_core.images.tar.members import Kind
from cntr_core.images.tar.plain import PlainTar
from tests.unit.images.layouts import directory, file, hard_link, member, symlink, tar
from tests.unit.images.tar.oracle import read_members


@contextmanager
def plain(content: bytes, before: bytes = b"") -> Iterator[PlainTar]:
    """The tar as part of a file, behind `before`."""
    with tempfile.TemporaryFile() as out:
        out.write(before + content + b"rest of an archive")
        out.flush()
        yield PlainTar(out.fileno(), len(before), len(content))


def indexed(content: bytes) -> LayerIndex:
    with plain(content, b"before") as layer:
        return read_index(layer)


def _told(entry: Entry) -> tuple[Any, ...]:
    parts = tuple(part for part in entry.path.split(b"/") if part not in (b"", b"."))
    values = (entry.kind, parts, entry.mode, entry.uid, entry.gid, entry.mtime)
    return (*values, entry.size, entry.link, entry.device, dict(entry.xattrs), entry.segments)


def _oracle(stream: Reader) -> list[tuple[Any, ...]]:
    found = []
    for one, content in read_members(stream):
        while content and content.read(1 << 16):
            pass
        segments = None if one.segments is None else tuple(pair for pair in one.segments if pair[1])
        values = (one.kind, one.parts, one.mode, one.uid, one.gid, one.mtime)
        size = one.size if one.kind is Kind.FILE else 0
        xattrs = {os.fsencode(name): value for name, value in one.xattrs.items()}
        found.append((*values, size, one.link, one.device, xattrs, segments))
    return found


def _agrees(content: bytes) -> LayerIndex:
    index = indexed(content)
    assert [_told(entry) for entry in index.entries] == _oracle(io.BytesIO(content))
    return index


_CHARACTERS = st.characters(exclude_characters="\0/", exclude_categories=["Cs"])
_NAMES = st.text(st.one_of(_CHARACTERS, st.just("\udcff")), min_size=1, max_size=140).filter(lambda name: name != "..")
_PATHS = st.lists(_NAMES, min_size=1, max_size=3).map("/".join)
_XATTRS = st.dictionaries(
    st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="="), min_size=1).map(
        "SCHILY.xattr.user.{}".format
    ),
    _NAMES,
    max_size=2,
)
_TYPES = [tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE]


@st.composite
def archives(draw: st.DrawFn) -> bytes:
    """Tars by tarfile, in each of its formats, with all kinds of members."""
    stream = io.BytesIO()
    form = draw(st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]))
    with tarfile.open(fileobj=stream, mode="w", format=form, encoding="utf-8", errors="surrogateescape") as archive:
        for _ in range(draw(st.integers(0, 4))):
            info = tarfile.TarInfo(draw(_PATHS))
            info.type = draw(st.sampled_from(_TYPES))
            info.mode, info.uid = draw(st.integers(0, 0o7777)), draw(st.integers(0, 2**32 - 2))
            info.mtime = draw(st.integers(-(10**9), 10**11))
            if info.type in (tarfile.SYMTYPE, tarfile.LNKTYPE):
                info.linkname = draw(_PATHS)
            content = draw(st.binary(max_size=1100)) if info.type == tarfile.REGTYPE else b""
            info.size = len(content)
            if form == tarfile.PAX_FORMAT:
                info.pax_headers = draw(_XATTRS)
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


@given(archives())
def test_every_member_is_told_as_tarfile_tells_it(content: bytes) -> None:
    index = _agrees(content)
    ends = [0, *(entry.end for entry in index.entries)]
    assert [entry.start for entry in index.entries] + [index.end] == ends, "the raw records cover the tar"
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for entry, info in zip(index.entries, archive.getmembers(), strict=True):
            if entry.kind is Kind.FILE:
                taken = archive.extractfile(info)
                assert taken and content[entry.data : entry.data + entry.size] == taken.read()


_FIELDS = (0, 100, 108, 116, 124, 136, 156, 157, 257, 262, 329, 337, 345, 386, 482, 483)
_BYTES = st.one_of(st.sampled_from(_FIELDS), st.integers(0, 511))
_PLACES = st.builds(lambda record, byte: record * 512 + byte, st.integers(0, 9), _BYTES)


@given(archives(), st.lists(st.tuples(_PLACES, st.integers(0, 255)), max_size=6), st.booleans())
def test_a_damaged_tar_is_refused_or_read_alike(content: bytes, changes: list[tuple[int, int]], mend: bool) -> None:
    """`mend` puts the checksums right afterwards, so that the damage gets further."""
    spoiled = bytearray(content)
    for position, value in changes:
        spoiled[position % len(spoiled)] = value
    if mend:
        for at in range(0, len(spoiled), 512):
            if spoiled[at + 257 : at + 262] == b"ustar":
                spoiled[at + 148 : at + 156] = b" " * 8
                spoiled[at + 148 : at + 156] = b"%06o\0 " % sum(spoiled[at : at + 512])
    try:
        index = indexed(bytes(spoiled))
    except ImageError:
        return
    try:
        expected = _oracle(io.BytesIO(bytes(spoiled)))
    except ImageError:
        # tarfile wants a member behind a global header.
        assert index.global_headers
        return
    assert [_told(entry) for entry in index.entries] == expected


@given(st.binary(max_size=3000))
def test_noise_is_refused(content: bytes) -> None:
    if content.strip(b"\0"):
        with pytest.raises(ImageError):
            indexed(content)


@pytest.mark.parametrize("form", ["gnu", "0.0", "0.1", "1.0"])
def test_holes_are_told_whatever_the_format(tmp_path: Path, form: str) -> None:
    with (tmp_path / "sparse").open("wb") as out:
        for number in range(20):  # more than the four that fit into the first header
            out.seek(number * 1_000_000)
            out.write(b"data %d" % number)
        out.truncate(30_000_000)
    options = ["--format=gnu"] if form == "gnu" else ["--format=pax", f"--sparse-version={form}"]
    (tmp_path / "after").write_text("after")
    command = ["tar", "-C", tmp_path, "-S", *options, "-cf", "-", "sparse", "after"]
    content = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    entry, after = _agrees(content).entries
    assert (entry.size, after.path) == (30_000_000, b"after")
    assert entry.segments
    assert content[entry.data :].startswith(b"data 0\0")


@pytest.mark.parametrize("recipe", ["busybox", "debian", "nginx"])
def test_real_layers_are_told_as_tarfile_tells_them(recipe: str, request: pytest.FixtureRequest) -> None:
    with open_image(request.getfixturevalue(f"{recipe}_archive")) as image:
        for layer in image.layers:
            with tempfile.TemporaryFile() as out:
                stream = image.open_layer(layer, Budget(1 << 40, 1 << 30))
                while data := stream.read(1 << 18):
                    out.write(data)
                out.flush()
                size = os.fstat(out.fileno()).st_size
                index = read_index(PlainTar(out.fileno(), 0, size))
                assert [_told(entry) for entry in index.entries] == _oracle(Window(out.fileno(), 0, size))


def test_global_headers_count_for_all_that_follow() -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", pax_headers={"SCHILY.xattr.user.all": "1"}) as archive:
        archive.addfile(tarfile.TarInfo("a"))
        archive.addfile(tarfile.TarInfo("b"))
    index = _agrees(stream.getvalue())
    assert index.global_headers == ((0, index.entries[0].start),)
    assert [entry.xattrs[b"user.all"] for entry in index.entries] == [b"1", b"1"]


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (file("a/../../x"), "the path 'a/../../x' leads outside"),
        (file("x", uid=2**32 - 1), "member 'x': has the impossible owner 4294967295"),
        (file("x", pax_headers={"mtime": "1e99"}), "member 'x': has the impossible time '1e99'"),
        (file("x", pax_headers={"size": "-5"}), "member 'x': has the impossible size '-5'"),
        (file("x", pax_headers={"path": ""}), "has an empty PAX field 'path'"),
        (member("x", tarfile.CHRTYPE, devmajor=4096), "member 'x': has the impossible device number 4096:0"),
        (member("x", b"Z"), "member 'x': is of the unknown type b'Z'"),
        (symlink("x", "a" * 200 + "\0b"), "member 'x': has a link with NUL"),
    ],
)
def test_an_impossible_member_is_refused_by_name(bad: tuple[tarfile.TarInfo, bytes], words: str) -> None:
    with pytest.raises(ImageError, match=words):
        indexed(tar(directory("d"), file("d/f"), hard_link("l", "d/f"), bad))


def test_a_tar_that_is_cut_anywhere_is_refused() -> None:
    content = tar(file("long" * 60, b"x" * 700), file("e", b"z" * 700))
    end = indexed(content).end
    starts = {entry.start for entry in indexed(content).entries}
    for size in range(0, end, 37):
        if size not in starts - {0}:  # tars without an end mark are legal
            with pytest.raises(ImageError):
                indexed(content[:size])


def test_nothing_hides_behind_the_end() -> None:
    with pytest.raises(ImageError, match="goes on after an end mark"):
        indexed(tar(file("a"))[:512] + bytes(512) + tar(file("b")))


def test_a_long_name_is_joined_from_its_prefix() -> None:
    stream = io.BytesIO()
    name = "/".join(["directory"] * 15)
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        archive.addfile(tarfile.TarInfo(name))
    assert _agrees(stream.getvalue()).entries[0].path == name.encode()


def test_times_in_the_place_of_a_prefix_are_refused() -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as archive:
        archive.addfile(tarfile.TarInfo("a"))
    header = bytearray(stream.getvalue()[:512])
    header[345:357], header[148:156] = b"14723601200\0", b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    with pytest.raises(ImageError, match="a prefix in a header that has none"):
        indexed(bytes(header) + bytes(1024))


def test_a_file_that_is_cut_meanwhile_is_an_error() -> None:
    with tempfile.TemporaryFile() as out:
        out.write(tar(file("a", b"x" * 5000)))
        out.truncate(1000)
        with pytest.raises(OSError, match="truncated"):
            read_index(PlainTar(out.fileno(), 0, 10240))
