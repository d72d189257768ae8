"""The slim image's list of packages is the original's without those that it has no file of, and that is proved."""

from __future__ import annotations

import json
import os
import tarfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from cntr_slimmer.report.lookup import why
from cntr_slimmer.rules.builtin import RULES
from cntr_slimmer.rules.package import paragraphs
from cntr_slimmer.selection import Selection, SelectionOptions, choose
from cntr_slimmer.split.joined import OpenPair
from cntr_slimmer.split.joined_tar import JoinedTar
from cntr_slimmer.split.pair import Pair, make_pair
from cntr_slimmer.trace.record import Access, AccessTrace, Phase, Process
from cntr_slimmer.verify import check_files, check_join, check_pair, open_plain
from hypothesis import given

from cntr_core.errors import ImageError
from cntr_core.images import open_image
from cntr_core.images.tar.plain import PlainTar
from cntr_core.images.write.compress import Compression
from cntr_core.images.write.destination import parse_destination
from cntr_core.images.write.new_image import NewImage, PlainLayer
from cntr_core.images.write.pack import pack
from tests.unit.images.layouts import MemberSpec, directory, file, hard_link, member, symlink, tar
from tests.unit.images.tree.layered import LAYERS, opened
from tests.unit.slimmer.report.making import by_path, report
from tests.unit.slimmer.test_split import config, joined

STATUS, APK, INFO = "var/lib/dpkg/status", "lib/apk/db/installed", "var/lib/dpkg/info"
USED = "usr/bin/app"


def paragraph(name: str, status: str = "install ok installed") -> bytes:
    return f"Package: {name}\nStatus: {status}\nVersion: 1\nDescription: it\n has two lines\n\n".encode()


WHOLE = paragraph("app") + paragraph("doc") + paragraph("empty") + paragraph("gone", "deinstall ok config-files")
SHORT = paragraph("app") + paragraph("gone", "deinstall ok config-files")
FILES: Sequence[MemberSpec] = (
    file(USED, b"app", mode=0o755),
    file("usr/share/doc/x", b"x"),
    file(f"{INFO}/app.list", b"/.\n/usr/bin/app\n"),
    file(f"{INFO}/doc.list", b"/.\n/usr/share/doc/x\n"),
    file(f"{INFO}/empty.list", b"/.\n"),
)
SKELETON = [directory(name) for name in ("usr", "usr/bin", "var/lib/dpkg", INFO)]
LAYER = tar(*SKELETON, *FILES, file(STATUS, WHOLE, mode=0o640, mtime=1234567, uid=3, gid=4))


def chosen(
    layers: Sequence[bytes], *, used: Sequence[str] = (USED,), options: SelectionOptions | None = None
) -> Selection:
    with opened(layers) as merged:
        accesses = [Access(b"/" + path.encode(), "open", 0, 0, 0.5, Phase.START) for path in used]
        trace = AccessTrace("", "linux/amd64", tuple(accesses), (Process(7, b"/usr/bin/app"),))
        return choose(merged, config(list(layers)), trace, RULES, options or SelectionOptions())


@contextmanager
def split(
    layers: Sequence[bytes],
    where: Path,
    *,
    squash: bool = False,
    used: Sequence[str] = (USED,),
    options: SelectionOptions | None = None,
) -> Iterator[Pair]:
    """The pair of these layers, made and proved as cntr slim does it."""
    selection = chosen(layers, used=used, options=options or SelectionOptions(without_rules=("application",)))
    where.mkdir(exist_ok=True)
    with opened(layers) as merged:
        paths = {name.path for one in selection.files for name in one.names} | {b"/"}
        files = [one for one in merged.tree.files() if one.path in paths]
        pair = make_pair(
            merged, config(list(layers)), files, str(where), hollow=(), lists=selection.lists, squash=squash
        )
        check_join(pair)
        with open_plain(pair.slim.layers) as slim:
            check_files(slim, merged.tree, pair.lists)
        yield pair


def read(pair: Pair, path: str = STATUS) -> bytes | None:
    with open_plain(pair.slim.layers) as slim:
        found = slim.view.lookup(b"/" + path.encode())
        return slim.view.read(b"/" + path.encode()) if found else None


@contextmanager
def saved(pair: Pair, where: Path, slim: NewImage | None = None) -> Iterator[OpenPair]:
    """The pair as somebody else opens it; `slim` is in the place of its slim image."""
    halves = (("app:slim", slim or pair.slim), ("app:fat", pair.fat))
    images = [(name, pack(half, str(where), Compression.NONE)) for name, half in halves]
    place = str(where / "pair.tar")
    parse_destination(place).save(images)
    with open_image(f"{place}:app:slim") as ours, open_image(f"{place}:app:fat") as theirs:
        yield OpenPair.of(ours, theirs)


def with_more(image: NewImage, where: Path, *members: MemberSpec, without: bool = False) -> NewImage:
    """An image whose topmost layer has these members behind its own, all digests right; with `without` in the place of
    those that were there behind the original's."""
    path = where / "tampered.tar"
    with tarfile.open(image.layers[-1].path) as old:
        kept = [(one, b"" if not one.isfile() else (old.extractfile(one) or old).read()) for one in old]  # type: ignore[union-attr]
    if without:
        kept = [pair for pair in kept if pair[0].name != STATUS]
    path.write_bytes(tar(*kept, *members))
    layers = (*image.layers[:-1], PlainLayer.of_file(str(path)))
    document = json.loads(image.config)
    document["rootfs"]["diff_ids"] = [layer.diff_id for layer in layers]
    return replace(image, config=json.dumps(document).encode(), layers=layers)


@pytest.mark.parametrize("squash", [False, True])
def test_a_list_has_the_packages_that_keep_a_file(tmp_path: Path, squash: bool) -> None:
    lower = tar(*SKELETON, *FILES[:2], file(STATUS, paragraph("doc")))
    layers = [lower, tar(*FILES[2:], file(STATUS, WHOLE, mode=0o640, mtime=1234567, uid=3, gid=4)), tar(file("etc/x"))]
    with split(layers, tmp_path, squash=squash) as pair:
        assert read(pair) == SHORT
        assert pair.split_map.lists == ("/var/lib/dpkg/status",)
        if not squash:
            assert joined(pair) == layers
        with open_plain(pair.slim.layers) as slim:
            entry = slim.tree.resolve(STATUS.encode()).file.entry
            assert (entry.mode, entry.mtime, entry.uid, entry.gid) == (0o640, 1234567 * 10**9, 3, 4)
        with open_plain(pair.fat.layers) as fat:
            assert fat.view.read(b"/" + STATUS.encode()) == WHOLE
        with saved(pair, tmp_path) as both:
            check_pair(both)


def test_the_same_files_make_the_same_images(tmp_path: Path) -> None:
    with split([LAYER], tmp_path / "one") as one, split([LAYER], tmp_path / "two") as two:
        assert (one.slim.config, one.fat.config) == (two.slim.config, two.fat.config)


def test_what_is_not_sure_stays(tmp_path: Path) -> None:
    unknown = paragraph("unlisted") + b"Package: a\nPackage: b\nStatus: install ok installed\n\n" + b"Name: none\n\n"
    layer = tar(*SKELETON, *FILES, file(STATUS, b"\n\n" + WHOLE + unknown + b"\n\n" + paragraph("doc").rstrip()))
    with split([layer], tmp_path) as pair:
        assert read(pair) == b"\n\n" + SHORT + unknown + b"\n\n"
        assert joined(pair) == [layer]


@pytest.mark.parametrize(
    ("used", "options"),
    [
        ((USED, STATUS), SelectionOptions()),
        ((USED,), SelectionOptions(all_packages=True)),
        ((USED,), SelectionOptions(include=("/var/lib/dpkg",))),
        ((USED,), SelectionOptions(preserve=("/var/lib/dpkg/status",))),
        ((USED,), SelectionOptions(last_layers=1)),
    ],
    ids=["read by the run", "all are wanted", "included", "preserved", "of the last layers"],
)
def test_a_list_that_is_wanted_for_itself_is_the_original(
    tmp_path: Path, used: Sequence[str], options: SelectionOptions
) -> None:
    with split([LAYER], tmp_path, used=used, options=options) as pair:
        assert read(pair) == WHOLE and not pair.lists and not pair.split_map.lists


def test_a_list_of_which_nothing_goes_is_the_original_record(tmp_path: Path) -> None:
    layer = tar(*SKELETON, *FILES, file(STATUS, paragraph("app")))
    with split([layer], tmp_path) as pair:
        assert read(pair) == paragraph("app") and not pair.lists


def test_without_the_rule_there_is_no_list(tmp_path: Path) -> None:
    without = SelectionOptions(without_rules=("package-databases", "application", "small-directories"))
    with split([LAYER], tmp_path, options=without) as pair:
        assert read(pair) is None and not pair.split_map.lists


def _linked(*more: MemberSpec) -> bytes:
    return tar(*SKELETON, *FILES, *more)


@pytest.mark.parametrize(
    "layer",
    [
        _linked(file("etc/list", WHOLE), symlink(STATUS, "/etc/list")),
        _linked(file(STATUS, WHOLE), hard_link("var/lib/dpkg/again", STATUS)),
        _linked(file("etc/list", WHOLE), hard_link(STATUS, "etc/list")),
        _linked(member(STATUS, tarfile.FIFOTYPE)),
        _linked(symlink(STATUS, "status")),
        _linked(directory(STATUS)),
        _linked(file(STATUS, WHOLE.replace(b"\n", b"\r\n"))),
        _linked(file(STATUS)),
        _linked(file(STATUS, b"\n" * 1000)),
        _linked(file(STATUS, b"Package: doc")),
        _linked(file(STATUS, os.urandom(1 << 16))),
    ],
    ids=["link", "two names", "a further name", "fifo", "loop", "directory", "CRLF", "empty", "blank", "cut", "noise"],
)
def test_lists_of_other_kinds_stay_as_they_are(tmp_path: Path, layer: bytes) -> None:
    with split([layer], tmp_path) as pair, saved(pair, tmp_path) as both:
        assert not pair.lists
        assert joined(pair) == [layer]
        check_pair(both)


def test_a_list_below_a_linked_directory(tmp_path: Path) -> None:
    apk = b"P:app\nV:1\nF:usr/bin\nR:app\n\nP:doc\nV:2\nF:usr/share/doc\nR:x\n\nP:.virtual\nV:0\n\n"
    layer = tar(*FILES[:2], symlink("lib", "usr/lib"), file(f"usr/{APK}", apk))
    with split([layer], tmp_path) as pair:
        assert read(pair, f"usr/{APK}") == apk[: apk.index(b"P:doc")]
        assert set(pair.lists) == {f"/usr/{APK}".encode()}
        with saved(pair, tmp_path) as both:
            check_pair(both)


def test_one_file_for_each_package_goes_with_its_package(tmp_path: Path) -> None:
    place = "var/lib/dpkg/status.d"
    described = {"app": "usr/bin/app", "doc": "usr/share/doc/x"}
    own = [file(f"{place}/{name}", paragraph(name, "")) for name in (*described, "unlisted")]
    sums = [file(f"{place}/{name}.md5sums", f"{32 * '0'}  {path}\n".encode()) for name, path in described.items()]
    layer = tar(*FILES[:2], *own, *sums)
    with split([layer], tmp_path) as pair:
        assert read(pair, f"{place}/app") and read(pair, f"{place}/app.md5sums") and read(pair, f"{place}/unlisted")
        assert read(pair, f"{place}/doc") is None and read(pair, f"{place}/doc.md5sums") is None
        assert not pair.split_map.lists
    with split([layer], tmp_path / "all", options=SelectionOptions(all_packages=True)) as pair:
        assert read(pair, f"{place}/doc")


Tampered = Callable[[NewImage, Path], NewImage]


def _other(text: bytes, **more: int) -> Tampered:
    """A slim image with another list in the place of its own."""
    attributes = {"mode": 0o640, "mtime": 1234567, "uid": 3, "gid": 4, **more}
    return lambda image, where: with_more(image, where, file(STATUS, text, **attributes), without=True)


def _more(*members: MemberSpec) -> Tampered:
    return lambda image, where: with_more(image, where, *members)


@pytest.mark.parametrize(
    "tamper",
    [
        _other(SHORT + paragraph("doc")),
        _other(paragraph("gone", "deinstall ok config-files")),
        _other(SHORT.replace(b"Version: 1", b"Version: 9")),
        _other(SHORT, mode=0o666),
        _other(SHORT, uid=0),
        _other(WHOLE),
        lambda image, where: with_more(image, where, without=True),
        _more(file(STATUS, SHORT, mode=0o640, mtime=1234567, uid=3, gid=4)),
        _more(file("etc/own", b"mine")),
        _more(file(USED, b"bad", mode=0o755)),
        _more(symlink("usr/bin/sh", "/usr/bin/app")),
        _more(hard_link("usr/bin/sh", USED)),
        _more(directory("usr/bin", mode=0o777)),
        _more(directory("opt")),
        _more(file("usr/bin/.wh.app")),
    ],
    ids=[
        *("added", "removed", "changed", "mode", "owner", "whole", "gone", "twice", "own file", "replaced"),
        *("link", "hard link", "directory", "own directory", "whiteout"),
    ],
)
def test_what_was_not_in_the_original_is_noticed(tmp_path: Path, tamper: Tampered) -> None:
    with split([LAYER], tmp_path) as pair:
        assert read(pair) == SHORT
        with saved(pair, tmp_path, tamper(pair.slim, tmp_path)) as both, pytest.raises(ImageError):
            check_pair(both)


@pytest.mark.parametrize("tamper", [_more(), _other(SHORT)], ids=["nothing", "the same list"])
def test_what_tampers_with_nothing_is_proved(tmp_path: Path, tamper: Tampered) -> None:
    with split([LAYER], tmp_path) as pair, saved(pair, tmp_path, tamper(pair.slim, tmp_path)) as both:
        check_pair(both)


def test_a_pair_without_lists_that_has_more_is_noticed(tmp_path: Path) -> None:
    with split([LAYER], tmp_path, options=SelectionOptions(all_packages=True)) as pair:
        with saved(pair, tmp_path) as both:
            check_pair(both)
        tampered = with_more(pair.slim, tmp_path, file("etc/own", b"mine"))
        with saved(pair, tmp_path, tampered) as both, pytest.raises(ImageError, match="etc/own"):
            check_pair(both)


def test_a_fat_image_that_has_more_is_noticed(tmp_path: Path) -> None:
    with split([LAYER], tmp_path) as pair:
        first = replace(pair.fat, layers=pair.fat.layers[:1])
        more = with_more(first, tmp_path, file("bin/sh", b"bad"))
        document = json.loads(more.config)
        document["rootfs"]["diff_ids"].append(pair.fat.layers[1].diff_id)
        fat = replace(more, config=json.dumps(document).encode(), layers=(*more.layers, pair.fat.layers[1]))
        with (
            saved(replace(pair, fat=fat), tmp_path) as both,
            pytest.raises(ImageError, match="files that the original"),
        ):
            check_pair(both)


def test_why_and_the_report_tell_of_the_list(tmp_path: Path) -> None:
    made = report(tmp_path)
    found = by_path(made)["/var/lib/dpkg/status"]
    assert found.kept and found.kept_bytes is not None and 0 < found.kept_bytes < found.bytes
    assert "packages without a file left are not in it" in "\n".join(why(made, found.path).lines())
    listed = sum(one.slim_bytes for one in made.files if one.counts)
    assert made.content.kept_bytes == listed == sum(layer.kept_bytes for layer in made.layers)


@given(st.binary())
def test_paragraphs_are_the_whole(text: bytes) -> None:
    assert b"".join(paragraphs(text)) == text


@given(LAYERS, st.randoms(use_true_random=False))
def test_the_original_is_read_from_both_images(
    tmp_path_factory: pytest.TempPathFactory, layers: list[bytes], choices: Any
) -> None:
    place = tmp_path_factory.mktemp("joined")
    try:
        with opened(layers) as merged:
            files = [name.file for name in merged.tree.walk() if choices.random() < 0.5]
            pair = make_pair(merged, config(layers), files, str(place))
    except ImageError:  # it cannot be merged at all
        return
    for whole, slim, fat, layer in zip(layers, pair.slim.layers, pair.fat.layers, pair.split_map.layers, strict=False):
        with open(slim.path, "rb") as one, open(fat.path, "rb") as other:
            tars = (PlainTar(file.fileno(), 0, half.size) for file, half in ((one, slim), (other, fat)))
            original = JoinedTar(*tars, layer)
            at, size = choices.randrange(len(whole)), choices.randrange(2000)
            assert original.size == len(whole)
            assert original.read(size, at) == whole[at : at + size]
            assert original.read(len(whole) + 9, 0) == whole
