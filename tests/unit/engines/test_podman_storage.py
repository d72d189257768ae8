"""What podman's storage lists, from files as containers/storage writes them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from cntr_plugins.engines.podman.service import Owner
from cntr_plugins.engines.podman.storage import is_listed

ID = "ce75ee92da1eac8a0b44c0c9f6763aa3c3ba7a641a32a2ca0423fb9f8b1ff2eb"


@pytest.fixture
def owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Owner:
    for variable in ("CONTAINERS_STORAGE_CONF", "STORAGE_DRIVER", "STORAGE_OPTS", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", f"{tmp_path}/data")
    monkeypatch.setenv("XDG_RUNTIME_DIR", f"{tmp_path}/run")
    return Owner("somebody", 1000, 1000, f"{tmp_path}/home", True)


def _write(path: str, content: object) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(content if isinstance(content, str) else json.dumps(content))


def _lasting(tmp_path: Path, content: object) -> None:
    _write(f"{tmp_path}/data/containers/storage/overlay-containers/containers.json", content)


def test_names_and_beginnings_of_ids_are_found(owner: Owner, tmp_path: Path) -> None:
    _lasting(tmp_path, [{"id": ID, "names": ["web"]}, {"id": "f" * 64}])
    assert all(is_listed(owner, name) for name in ("web", ID, "ce", "f", ""))
    assert not any(is_listed(owner, name) for name in ("we", "webs", "ee92", "nothing"))


def test_without_containers_nothing_is(owner: Owner, tmp_path: Path) -> None:
    _lasting(tmp_path, [])
    assert not is_listed(owner)
    assert not is_listed(owner, "web")


def test_those_that_do_not_outlive_a_start_count(owner: Owner, tmp_path: Path) -> None:
    _lasting(tmp_path, [])
    _write(f"{tmp_path}/run/containers/overlay-containers/volatile-containers.json", [{"id": ID, "names": ["short"]}])
    assert is_listed(owner, "short")
    assert is_listed(owner)
    assert not is_listed(owner, "web")


def test_those_of_rm_count_where_they_are_beside_the_others(owner: Owner, tmp_path: Path) -> None:
    _lasting(tmp_path, [{"id": "f" * 64, "names": ["other"]}])
    store = f"{tmp_path}/data/containers/storage/overlay-containers"
    _write(f"{store}/volatile-containers.json", [{"id": ID, "names": ["short"]}])
    assert is_listed(owner, "short")
    assert is_listed(owner, "other")
    assert not is_listed(owner, "web")


@pytest.mark.parametrize("content", ["", "{", "{}x", '[{"names": ["a"]}]', "[1]", '{"id": 1}', "[" * 100_000])
def test_what_is_no_list_tells_nothing(owner: Owner, tmp_path: Path, content: str) -> None:
    _lasting(tmp_path, content)
    assert is_listed(owner, "web")


def test_no_list_tells_nothing(owner: Owner) -> None:
    assert is_listed(owner, "web")


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ('graphroot = "/elsewhere"', True),
        ("  rootless_storage_path='$HOME/here'  # a comment", True),
        ('runroot="/tmp/run"', True),
        ('# graphroot = "/elsewhere"', False),
        ('graphroot = "/var/lib/containers/storage"', False),
    ],
)
def test_settings_that_name_another_place_tell_nothing(owner: Owner, tmp_path: Path, setting: str, told: bool) -> None:
    _lasting(tmp_path, [])
    _write(f"{tmp_path}/home/.config/containers/storage.conf", f'[storage]\ndriver = "overlay"\n{setting}\n')
    assert is_listed(owner, "web") is told


def test_a_variable_that_names_another_place_tells_nothing(
    owner: Owner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _lasting(tmp_path, [])
    monkeypatch.setenv("CONTAINERS_STORAGE_CONF", f"{tmp_path}/other.conf")
    assert is_listed(owner, "web")
