"""What Compose tells of a service, in the forms of both of its versions, becomes the options of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cntr_slimmer.request import RunOptions
from cntr_slimmer.runs.compose import composed, composed_options, image_of

from cntr_core.engine.tracing import ComposeService
from cntr_core.errors import UsageError
from cntr_core.runtime import RuntimeOptions


def _service(**own: Any) -> ComposeService:
    return ComposeService(("docker-compose",), "/srv", {"services": {"web": {"image": "web:$$1", **own}}}, "web")


def _options(*words: str, **own: Any) -> RunOptions:
    return composed_options(RunOptions(runtime=RuntimeOptions(words)), _service(**own))


def test_the_image_alone_says_all_that_the_file_does_not() -> None:
    found = _options()
    assert (found.runtime, found.options.volumes) == (RuntimeOptions(), ())
    assert found.options.compose == _service()
    assert image_of(_service()) == "web:$1"


@pytest.mark.parametrize("command", [["sh", "-c", "echo $$HOME"], "sh -c 'echo $$HOME'"], ids=["words", "line"])
def test_a_command_is_words_or_a_line(command: Any) -> None:
    found = _options(command=command, entrypoint=command, user=1000, working_dir="/srv/$$x").runtime
    assert found.command == found.entrypoint == ("sh", "-c", "echo $HOME")
    assert (found.user, found.working_dir) == ("1000", "/srv/$x")


def test_the_call_has_the_last_word_on_the_command() -> None:
    assert _options("id", command=["true"]).runtime.command == ("id",)


@pytest.mark.parametrize("entrypoint", [[], ""])
def test_an_empty_entrypoint_is_none(entrypoint: Any) -> None:
    assert _options(entrypoint=entrypoint).runtime.entrypoint == ()


@pytest.mark.parametrize(
    "environment", [{"A": "b $$c", "N": 1, "UNSET": None, "E": ""}, ["A=b $$c", "N=1", "UNSET", "E="]]
)
def test_variables_are_a_mapping_or_a_list(environment: Any) -> None:
    found = _options(environment=environment)
    assert found.runtime.env == found.options.environment == ("A=b $c", "N=1", "E=")


def test_volumes_are_texts_or_mappings() -> None:
    bind = {"type": "bind", "source": "/srv/x", "target": "/x"}
    own = [bind, {"type": "volume", "source": "s", "target": "/s"}, {"type": "volume", "target": "/t"}, "v:/v:rw"]
    assert _options(volumes=own).options.volumes == ("s:/s", "/t", "v:/v:rw")


def test_only_what_is_external_keeps_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that answers as Compose 2 does: it gives networks and volumes names of the project's. One that the user
    has given is that of what he runs, whose data no run may touch."""
    answer = """name: cntr
services: {web: {image: web}}
networks:
  default: {name: cntr_default, ipam: {}}
  mine: {name: mine, external: true}
  bare:
volumes: {data: {name: cntr_data}, given: {name: shop-data}, theirs: {name: shop, external: true}}
"""
    _program(tmp_path, monkeypatch, f"/bin/cat <<'END'\n{answer}END\n")
    (tmp_path / "compose.yaml").touch()
    found = composed(str(tmp_path / "compose.yaml"), "web")
    assert found.document["networks"] == {
        "default": {"ipam": {}},
        "mine": {"name": "mine", "external": True},
        "bare": {},
    }
    assert found.document["volumes"] == {"data": {}, "given": {}, "theirs": {"name": "shop", "external": True}}
    assert "name" not in found.document and found.directory == str(tmp_path)


def _program(where: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    program = where / "docker-compose"
    program.write_text(f"#!/bin/sh\n{script}")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(where))  # nothing else is there


def test_what_lacks_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = str(tmp_path / "compose.yaml")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="Compose, which is not installed"):
        composed(file, "web")
    _program(tmp_path, monkeypatch, "echo 'services: {db: {build: .}}'")
    with pytest.raises(UsageError, match="there is no file"):
        composed(file, "web")
    Path(file).touch()
    with pytest.raises(UsageError, match="has no service web") as caught:
        composed(file, "web")
    assert caught.value.hint == "its services are db"
    with pytest.raises(UsageError, match="has no image"):
        composed(file, "db")
    _program(tmp_path, monkeypatch, "echo 'line 3:'; echo '  it is wrong' >&2; exit 1")
    with pytest.raises(UsageError, match="--compose: it is wrong"):
        composed(file, "web")
