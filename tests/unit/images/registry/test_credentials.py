"""What docker login noted, in the file or with a helper."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest

from cntr_core.errors import ImageError
from cntr_core.images.registry.credentials import Credentials, find_credentials

_AUTH = base64.b64encode(b"user:pa:ss").decode()


@pytest.fixture
def note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Writes docker's configuration."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))

    def write(**config: Any) -> None:
        (tmp_path / "config.json").write_text(json.dumps(config))

    return write


@pytest.fixture
def helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Puts ``docker-credential-test`` into the PATH."""
    directory = tmp_path / "bin"
    directory.mkdir()
    monkeypatch.setenv("PATH", f"{directory}{os.pathsep}{os.environ['PATH']}")

    def write(script: str) -> None:
        program = directory / "docker-credential-test"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)

    return write


@pytest.mark.parametrize("key", ["r.example:5000", "https://r.example:5000", "https://r.example:5000/v1/"])
def test_the_file(note: Any, key: str) -> None:
    note(auths={"other.example": {"auth": "!"}, key: {"auth": _AUTH}})
    assert find_credentials("r.example:5000") == Credentials("user", "pa:ss")
    assert find_credentials("r.example") is None


@pytest.mark.parametrize("key", ["https://index.docker.io/v1/", "docker.io", "registry-1.docker.io"])
def test_dockers_own_registry_has_several_names(note: Any, key: str) -> None:
    note(auths={key: {"auth": _AUTH}})
    assert find_credentials("docker.io") == Credentials("user", "pa:ss")


def test_a_helper_knows_dockers_own_registry_by_its_oldest_name(note: Any, helper: Any) -> None:
    note(credsStore="test")
    helper("""[ "$(cat)" = https://index.docker.io/v1/ ] && echo '{"Username": "u", "Secret": "s"}'""")
    assert find_credentials("docker.io") == Credentials("u", "s")


@pytest.mark.parametrize("place", ["REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"])
def test_what_podman_login_noted(note: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    note(auths={"other.example": {"auth": "!"}})
    path = tmp_path / "podman/containers/auth.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"auths": {"r.example": {"auth": _AUTH}}}))
    for name in ("REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(place, str(path if place == "REGISTRY_AUTH_FILE" else path.parent.parent))
    assert find_credentials("r.example") == Credentials("user", "pa:ss")


def test_an_identity_token(note: Any) -> None:
    note(auths={"r.example": {"auth": _AUTH, "identitytoken": "secret"}})
    found = find_credentials("r.example")
    assert found is not None
    assert found.identity_token == "secret"
    assert "secret" not in repr(found)
    assert "pa:ss" not in repr(found)


def test_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "absent"))
    assert find_credentials("r.example") is None


@pytest.mark.parametrize("config", [{"credsStore": "test"}, {"credHelpers": {"r.example": "test"}, "credsStore": "no"}])
def test_a_helper_is_asked(note: Any, helper: Any, config: dict[str, Any]) -> None:
    note(auths={"r.example": {}}, **config)  # docker leaves an empty entry
    helper('[ "$1" = get ] && read host; echo "{\\"Username\\": \\"me\\", \\"Secret\\": \\"for $host\\"}"')
    assert find_credentials("r.example") == Credentials("me", "for r.example")


def test_a_helper_may_give_a_token(note: Any, helper: Any) -> None:
    note(credsStore="test")
    helper("""cat >/dev/null; echo '{"Username": "<token>", "Secret": "it"}'""")
    assert find_credentials("r.example") == Credentials(identity_token="it")


def test_a_helper_that_knows_nothing(note: Any, helper: Any) -> None:
    note(credsStore="test")
    helper("echo 'credentials not found in native keychain'; exit 1")
    assert find_credentials("r.example") is None


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo locked; exit 1", "docker-credential-test fails: locked"),
        ("cat >/dev/null; echo nonsense", "docker-credential-test is not valid JSON"),
        (None, "cannot be run"),
    ],
)
def test_a_helper_that_fails(note: Any, helper: Any, script: str | None, said: str) -> None:
    note(credsStore="test")
    if script:
        helper(script)
    with pytest.raises(ImageError, match=said):
        find_credentials("r.example")


@pytest.mark.parametrize("config", ["[]", "{", '{"auths": 3}', '{"auths": {"r.example": {"auth": "%"}}}'])
def test_a_damaged_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: str) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    (tmp_path / "config.json").write_text(config)
    with pytest.raises(ImageError):
        find_credentials("r.example")
