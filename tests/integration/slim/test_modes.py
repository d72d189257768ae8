"""An image that is run in several ways: with other variables, words, users, directories and mounts than its own."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cntr_core.images import open_image
from tests.integration.slim.conftest import MakeApp, Slim
from tests.unit.images.layouts import file

pytestmark = pytest.mark.requires("root", "fuse", "overlayfs", "runc", "busybox")

MODES = """
case "$MODE" in
    one) cat /data/one ;;
    two) cat /data/two ;;
    *) cat /data/default ;;
esac
"""


def _config(reference: str) -> dict[str, Any]:
    """The part of an image's configuration that says how it runs, without what tells of the pair."""
    with open_image(reference) as image:
        found: dict[str, Any] = json.loads(image.config.raw)["config"]
    return {name: value for name, value in found.items() if name != "Labels"}


def test_a_run_may_be_another_than_the_images_own(slim: Slim, app: MakeApp) -> None:
    given = slim.place / "given"
    given.mkdir()
    (given / "file").write_text("mounted")
    (slim.place / "variables").write_text("FROM=file\n")
    image = app("exit 1", file("other", b"exec cat /data/used\n", mode=0o755), file("data/used", b"u"), User="root")
    script = (
        'test "$SET,$FROM,$PWD,$1" = "a b,file,/new,word" && test $(id -u) = 1000 && cat /given/file /one /other && '
        "! touch /given/more && ! touch /one && touch /memory/file && test -d /volume && . /other"
    )
    words = ["--env", "SET=a b", "--env-file", "variables", "--entrypoint", "sh", "--user", "app", "--workdir", "/new"]
    words += ["--mount", f"type=bind,source={given},target=/given,readonly", "-v", "./given/file:/one:ro"]
    words += ["--mount", "type=tmpfs,target=/memory,tmpfs-mode=1777", "-v", "/volume"]
    result = slim.made(image, *words, "--probe", "exit", "--", "-c", script, "sh", "word")
    assert "/other" in result.paths() and "/data/used" in result.paths()
    assert not {"/one", "/given/file", "/unused"} & result.paths()
    assert _config(f"{result.archive}:app:slim") == _config(image)
    assert slim.cntr("join", f"{result.archive}:app:slim", "-o", "joined.tar").returncode == 0
    with open_image(str(slim.place / "joined.tar")) as joined, open_image(image) as original:
        assert joined.config.raw == original.config.raw
    assert sorted(path.name for path in given.iterdir()) == ["file"]


def test_traces_of_several_ways_are_merged(slim: Slim, app: MakeApp) -> None:
    image = app(MODES, *(file(f"data/{name}", b"content") for name in ("one", "two", "default", "never")))
    for mode in ("one", "two"):
        done = slim.cntr("trace", "run", image, "--env", f"MODE={mode}", "--probe", "exit", "-o", f"{mode}.jsonl")
        assert done.returncode == 0, done.stderr
    result = slim.made(image, "--trace", "one.jsonl", "--trace", "two.jsonl", "--probe", "exit")
    assert {"/data/one", "/data/two", "/data/default"} < result.paths() and "/data/never" not in result.paths()
    for mode in ("one", "two"):
        done = slim.cntr("run", "--rm", "--env", f"MODE={mode}", f"{result.archive}:app:slim")
        assert (done.returncode, done.stdout) == (0, "content")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("-v", "/no/such/place:/x"), "--volume: there is no /no/such/place"),
        (("-v", "named:/x"), "belong to an engine"),
        (("--mount", "type=bind,source=/,target=x"), "no absolute path in the container"),
        (("--user", "nobody"), "the image has no user 'nobody'"),
        (("--workdir", "below"), "--workdir takes an absolute path"),
        (("--entrypoint", "/no/such/program"), "the image has no such command"),
        (("--entrypoint", ""), "the image has no command"),
        (("--env", "=x"), "is not a variable"),
    ],
)
def test_what_cannot_be_is_said(slim: Slim, app: MakeApp, words: tuple[str, ...], message: str) -> None:
    result = slim(app("exit 0"), *words, "--probe", "exit")
    assert result.code in (125, 127) and message in result.stderr
    assert not result.archive.exists()
