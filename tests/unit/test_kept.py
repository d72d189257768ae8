"""What is kept in the cache is given again for the same key, and for no other."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cntr_core.kept import kept


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CNTR_CACHE_DIR", f"{tmp_path}/cache")
    return tmp_path / "cache"


def _never() -> bytes:
    raise AssertionError("it is made again")


@pytest.mark.parametrize("value", [b"", b"a filter", b"\0" * 70_000])
def test_a_value_is_made_once(value: bytes) -> None:
    assert kept("things", b"key", lambda: value) == value
    assert kept("things", b"key", _never) == value


def test_another_key_or_kind_has_another_value() -> None:
    assert kept("things", b"key", lambda: b"one") == b"one"
    assert kept("things", b"keys", lambda: b"two") == b"two"
    assert kept("others", b"key", lambda: b"three") == b"three"
    assert kept("things", b"key", _never) == b"one"


def test_what_cannot_be_made_is_not_kept(cache: Path) -> None:
    def fails() -> bytes:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        kept("things", b"key", fails)
    assert not cache.exists()
    assert kept("things", b"key", lambda: b"now") == b"now"


def test_the_cache_does_not_grow_for_ever(cache: Path) -> None:
    for number in range(300):
        assert kept("things", b"%d" % number, lambda: b"value") == b"value"
    assert len(os.listdir(cache / "things")) <= 64


def test_others_may_not_look(cache: Path) -> None:
    kept("things", b"key", lambda: b"value")
    (file,) = (cache / "things").iterdir()
    assert [path.stat().st_mode & 0o777 for path in (cache, cache / "things", file)] == [0o700, 0o700, 0o600]


def test_the_cache_may_lie_below_the_working_directory(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(cache.parent)
    monkeypatch.setenv("CNTR_CACHE_DIR", cache.name)
    assert kept("things", b"key", lambda: b"value") == b"value"
    assert kept("things", b"key", _never) == b"value"


def test_without_room_it_is_made_each_time(cache: Path) -> None:
    cache.write_text("a file in the way")
    assert kept("things", b"key", lambda: b"one") == b"one"
    assert kept("things", b"key", lambda: b"two") == b"two"


def test_without_a_home_it_is_made_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """As for a user whom the system does not know."""
    for variable in ("CNTR_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", "nowhere")
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    assert kept("things", b"key", lambda: b"one") == b"one"
    assert kept("things", b"key", lambda: b"two") == b"two"


def test_what_is_too_large_is_not_kept() -> None:
    large = b"x" * (1 << 20)
    assert kept("things", b"key", lambda: large) == large
    assert kept("things", b"key", lambda: b"again") == b"again"
