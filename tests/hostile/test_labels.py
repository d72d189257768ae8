"""An image's labels are a stranger's words: they open no file of the host's, and no image but the other of the pair."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from cntr_core import labels
from cntr_core.errors import ImageError, UsageError
from cntr_core.images import open_fat
from tests.unit.images.layouts import ARCHITECTURE, digest, file, layout, tar

_LAYER = tar(file("secret", b"of somebody else"))


def _config(own: Mapping[str, str]) -> bytes:
    run = {"Labels": dict(own)}
    diff_ids = {"type": "layers", "diff_ids": [digest(_LAYER)]}
    return json.dumps({"os": "linux", "architecture": ARCHITECTURE, "config": run, "rootfs": diff_ids}).encode()


def _archive(config: bytes) -> bytes:
    """A docker archive of one layer with this configuration."""
    name = hashlib.sha256(config).hexdigest()
    entries = json.dumps([{"Config": f"{name}.json", "RepoTags": ["it:1"], "Layers": ["layer.tar"]}]).encode()
    return tar(file(f"{name}.json", config), file("layer.tar", _LAYER), file("manifest.json", entries))


class _Engine:
    """An engine that gives one image to whoever asks for anything, and notes what was asked."""

    name = "store"

    def __init__(self, archive: bytes) -> None:
        self.asked: list[str] = []
        self._archive = archive

    def export_image(self, name: str) -> Iterable[bytes]:
        self.asked.append(name)
        return [self._archive]


def _digest(config: bytes) -> str:
    return f"sha256:{hashlib.sha256(config).hexdigest()}"


_PAIR = {labels.PAIR: "sha256:" + "1" * 64}


def test_the_fat_image_of_the_pair_is_found() -> None:
    fat = _config({**_PAIR, labels.ROLE: labels.FAT_ROLE})
    own = {**_PAIR, labels.FAT: _digest(fat)}
    with open_fat("web", "web:slim", own, "", [_Engine(_archive(fat))]) as found:
        assert found.config.raw == fat


@pytest.mark.parametrize("place", ["absolute", "relative"])
def test_a_label_never_names_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """The file is even a right one: but a label that is believed here could name any."""
    monkeypatch.chdir(tmp_path)
    fat = _config(_PAIR)
    (tmp_path / "backup.tar").write_bytes(_archive(fat))
    name = str(tmp_path / "backup.tar") if place == "absolute" else "backup.tar"
    own = {**_PAIR, labels.FAT: _digest(fat), labels.FAT_NAME: name}
    with pytest.raises(ImageError, match="was not found"), open_fat("web", "web:slim", own, "", []):
        pass


def test_another_image_is_not_shown_whatever_the_labels_say() -> None:
    private = _Engine(_archive(_config(_PAIR)))
    own = {**_PAIR, labels.FAT: "sha256:" + "0" * 64, labels.FAT_NAME: "private:1"}
    with pytest.raises(ImageError, match="belongs to another image"), open_fat("web", "web:slim", own, "", [private]):
        pass
    assert private.asked == ["sha256:" + "0" * 64, "private:1"]


@pytest.mark.parametrize("missing", [labels.PAIR, labels.FAT])
@pytest.mark.parametrize("absent", [True, False], ids=["absent", "empty"])
def test_an_empty_pair_is_no_pair(missing: str, absent: bool) -> None:
    fat = _config({})
    own = {**_PAIR, labels.FAT: _digest(fat), missing: ""}
    if absent:
        del own[missing]
    engine = _Engine(_archive(fat))
    with pytest.raises(UsageError, match="does not come from a slim image"), open_fat("web", "it", own, "", [engine]):
        pass
    assert engine.asked == []


def test_what_the_user_names_is_believed(tmp_path: Path) -> None:
    with open_fat("web", "web:slim", {}, layout(tmp_path / "image", _LAYER), []) as found:
        assert len(found.layers) == 1


def test_not_all_places_are_told() -> None:
    engines = [type(f"E{number}", (_Engine,), {"name": f"e{number}"})(_archive(_config({}))) for number in range(9)]
    own = {**_PAIR, labels.FAT: "sha256:" + "0" * 64}
    with pytest.raises(ImageError, match="and 6 other places") as caught, open_fat("web", "it", own, "", engines):
        pass
    assert "e3" not in caught.value.message
