"""Packing: the same image and compression give the same bytes, which are the layer's and no others."""

from __future__ import annotations

import gzip
import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from cntr_core.errors import ImageError
from cntr_core.images import Platform
from cntr_core.images.values import Descriptor
from cntr_core.images.write.archive import write_archive
from cntr_core.images.write.compress import Compression, compress
from cntr_core.images.write.new_image import NewImage, PlainLayer
from cntr_core.images.write.pack import pack
from tests.unit.images.layouts import digest, file, tar
from tests.unit.images.write.making import config, new_image, packed

_LAYER = tar(file("a", b"a" * 700_000), file("b", os.urandom(5000)))
_ALL = pytest.mark.parametrize("compression", list(Compression))


class _Trickle:
    """Gives its bytes in odd pieces, as a stream may."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def read(self, size: int, /) -> bytes:
        count = min(size, 1 + len(self._content) % 1000)
        piece, self._content = self._content[:count], self._content[count:]
        return piece


@_ALL
def test_the_same_layer_gives_the_same_digest(tmp_path: Path, compression: Compression) -> None:
    first, second = (pack(new_image(tmp_path / name, _LAYER), str(tmp_path), compression) for name in "ab")
    assert first.descriptor == second.descriptor
    with open(tmp_path / "trickle", "wb") as out:
        trickled, _ = compress(_Trickle(_LAYER), out, compression)
    assert trickled == first.layers[0].descriptor.digest


def test_no_time_and_no_name_are_in_the_gzip_header(tmp_path: Path) -> None:
    [layer] = pack(new_image(tmp_path, _LAYER), str(tmp_path)).layers
    with layer.open() as blob:
        magic, method, flags, time = struct.unpack("<HBBI", blob.read(8))
    assert (magic, method, flags, time) == (0x8B1F, 8, 0, 0)
    assert gzip.decompress(layer.read()) == _LAYER


@pytest.mark.parametrize("compression", [Compression.GZIP, Compression.ZSTD])
def test_the_number_of_processors_does_not_change_it(tmp_path: Path, compression: Compression) -> None:
    """As on another machine: one processor for the process, or all."""
    program = (
        "import os, sys; os.cpu_count = lambda: int(sys.argv[2])\n"
        "from cntr_core.images.write.compress import Compression, compress\n"
        "print(compress(open(sys.argv[1], 'rb'), open(os.devnull, 'wb'), Compression(sys.argv[3])))"
    )
    (tmp_path / "layer").write_bytes(os.urandom(1 << 20) * 3 + bytes(5 << 20))
    line = [sys.executable, "-c", program, str(tmp_path / "layer")]
    one, five = (
        subprocess.run([*line, count, compression], check=True, capture_output=True, timeout=60).stdout
        for count in "15"
    )
    assert one == five


@_ALL
def test_a_disk_that_is_full(compression: Compression) -> None:
    with open("/dev/full", "wb", buffering=0) as full, pytest.raises(OSError, match="No space left"):
        compress(_Trickle(_LAYER), full, compression)


@_ALL
def test_the_manifest_says_what_the_blobs_are(tmp_path: Path, compression: Compression) -> None:
    subject = Descriptor("application/vnd.oci.image.manifest.v1+json", digest(b"slim"), 4, Platform.host())
    new = new_image(tmp_path, _LAYER, annotations={"b": "2", "a": "1"}, subject=subject, variant="v8")
    image = pack(new, str(tmp_path), compression)
    manifest = json.loads(image.manifest.read())
    [layer] = image.layers
    assert manifest["layers"] == [
        {"mediaType": compression.media_type, "digest": digest(layer.read()), "size": len(layer.read())}
    ]
    assert manifest["config"]["digest"] == digest(new.config)
    assert manifest["subject"] == {"mediaType": subject.media_type, "digest": subject.digest, "size": 4}
    assert list(manifest["annotations"].items()) == [("a", "1"), ("b", "2")]
    assert image.platform.variant == "v8"
    assert image.config.read() == new.config


@_ALL
@pytest.mark.parametrize("spoil", ["longer", "shorter", "changed"])
def test_a_layer_that_is_not_what_it_should_be(tmp_path: Path, compression: Compression, spoil: str) -> None:
    new = new_image(tmp_path, _LAYER)
    with open(new.layers[0].path, "r+b") as layer:
        if spoil == "changed":
            layer.write(b"X")
        else:
            layer.truncate(len(_LAYER) + (512 if spoil == "longer" else -512))
    with pytest.raises(ImageError, match=r"(layer|blob) .* (is larger|bytes where|does not have the digest)"):
        write_archive(str(tmp_path / "out.tar"), [("x", pack(new, str(tmp_path), compression))])
    assert os.listdir(tmp_path) == [os.path.basename(new.layers[0].path)]


def test_a_configuration_of_other_layers(tmp_path: Path) -> None:
    new = new_image(tmp_path, _LAYER)
    with pytest.raises(ImageError, match="does not name the layers"):
        pack(NewImage(config(b"other"), new.layers), str(tmp_path))


def test_progress_counts_the_plain_bytes(tmp_path: Path) -> None:
    done: list[tuple[str, int]] = []
    pack(new_image(tmp_path, _LAYER), str(tmp_path), progress=lambda what, size: done.append((what, size)))
    assert {what for what, _ in done} == {"compressing"}
    assert sum(size for _, size in done) == len(_LAYER)


def test_a_layer_that_is_no_file(tmp_path: Path) -> None:
    absent = PlainLayer(str(tmp_path / "absent"), digest(b""), 0)
    with pytest.raises(FileNotFoundError, match="absent"):
        pack(NewImage(config(b""), (absent,)), str(tmp_path))


def test_the_slim_image_is_the_subject_of_the_fat_one(tmp_path: Path) -> None:
    slim = packed(tmp_path, "slim")
    fat = packed(tmp_path, "fat", subject=slim.descriptor)
    assert json.loads(fat.manifest.read())["subject"]["digest"] == slim.descriptor.digest
