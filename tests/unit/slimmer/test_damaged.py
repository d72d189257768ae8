"""Recipes and traces as no cntr writes them, and paths as few programs make them."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable

import pytest
import zstandard
from cntr_slimmer.split.split_map import SplitMap
from cntr_slimmer.trace.file import load
from cntr_slimmer.trace.observer import TraceObserver
from cntr_slimmer.trace.record import Phase

from cntr_core.errors import ImageError
from cntr_core.filesystem import AccessEvent

_DEEP = b"[" * 200_000
_BOMB = base64.b64encode(zlib.compress(bytes(1 << 29), 9)).decode()


def _recipe(tail: object) -> bytes:
    layer = {"diffId": "sha256:0", "runs": [["s", 512]], "tail": tail}
    return json.dumps({"format": "cntr-recipe/1", "config": "", "layers": [layer]}).encode()


@pytest.mark.parametrize("tail", [-1, 1 << 62, 1 << 70, _BOMB, "?"], ids=["negative", "huge", "endless", "bomb", "odd"])
def test_a_recipe_whose_tail_cannot_be_is_damaged(tail: object) -> None:
    with pytest.raises(ImageError, match="split map is damaged"):
        SplitMap.unpack(zstandard.compress(_recipe(tail)))


@pytest.mark.parametrize(
    "read", [lambda data: SplitMap.unpack(zstandard.compress(data)), lambda data: load(data, "it")]
)
def test_a_document_nested_too_deeply_is_damaged(read: Callable[[bytes], object]) -> None:
    with pytest.raises(ImageError, match="damaged"):
        read(_DEEP)


def test_a_path_longer_than_any_call_takes_is_seen() -> None:
    """A program gets there by relative steps."""
    watch = TraceObserver()
    path = b"/directory" * 10_000
    try:
        watch.enter(Phase.START)
        watch.saw(AccessEvent("lookup", path, 1, 0))
        watch.close()
        accesses, _ = watch.records()
    finally:
        watch.release()
    assert [access.path for access in accesses] == [path]
