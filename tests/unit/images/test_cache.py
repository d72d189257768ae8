"""Layers that were decompressed are kept for the next time, whole and verified or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cntr_core.errors import ImageError
from cntr_core.images import layers_of, open_image
from tests.unit.images.layouts import COMPRESSORS, file, layout, tar


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CNTR_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache/layers"


def _content(reference: str) -> bytes:
    with open_image(reference) as image, layers_of(image) as layers:
        return layers.view.read(b"/a")


def _blob(path: str) -> Path:
    with open_image(path) as image:
        return Path(path) / image.layers[0].blob


@pytest.mark.parametrize("compression", [name for name in COMPRESSORS if name])
def test_a_layer_is_decompressed_once(tmp_path: Path, cache: Path, compression: str) -> None:
    path = layout(tmp_path / "image", tar(file("a", b"content")), compression=compression)
    assert _content(path) == b"content"
    assert [(cache / name).read_bytes() for name in os.listdir(cache)] == [tar(file("a", b"content"))]
    _blob(path).write_bytes(b"")  # it is not looked at again
    assert _content(path) == b"content"


def test_a_plain_layer_is_read_where_it_is(tmp_path: Path, cache: Path) -> None:
    assert _content(layout(tmp_path / "image", tar(file("a", b"content")))) == b"content"
    assert not cache.exists()


def test_a_damaged_layer_is_not_kept(tmp_path: Path, cache: Path) -> None:
    path = layout(tmp_path / "image", tar(file("a", b"content")), compression="gzip")
    blob = _blob(path)
    blob.write_bytes(blob.read_bytes()[:-9] + b"damaged!!")
    with pytest.raises(ImageError, match="layer 1"):
        _content(path)
    assert os.listdir(cache) == []


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("CNTR_CACHE_DIR", str(tmp_path / "file"))
    assert _content(layout(tmp_path / "image", tar(file("a", b"content")), compression="zstd")) == b"content"
