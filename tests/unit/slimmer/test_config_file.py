"""Options from a file: the words of a call, and what is none."""

from __future__ import annotations

from pathlib import Path

import pytest
from cntr_slimmer.commands.config_file import with_config
from cntr_slimmer.probes import parse
from cntr_slimmer.probes.message import Message
from cntr_slimmer.probes.spec import Http

from cntr_core.errors import UsageError

_VALUED, _FLAGS = ("--config", "--probe", "--max-size", "--env", "-e"), ("--squash", "--sbom", "--help")


def _words(place: Path, text: str, *words: str, name: str = "slim.yaml") -> list[str]:
    (place / name).write_text(text)
    return with_config(["--config", str(place / name), *words], _VALUED, _FLAGS)


def test_a_file_has_options_by_their_names(tmp_path: Path) -> None:
    text = "probe:\n- http:80/\n- exec:-x no\nmax-size: 20MB\nsquash: true\nsbom: false\n"
    wanted = ["--probe=http:80/", "--probe=exec:-x no", "--max-size=20MB", "--squash"]
    assert _words(tmp_path, text, "image", "--", "--config", "x")[:-6] == wanted
    toml = 'probe = ["http:80/", "exec:-x no"]\nmax-size = "20MB"\nsquash = true\nsbom = false\n'
    assert _words(tmp_path, toml, name="slim.toml")[:4] == wanted


def test_words_of_the_call_come_last_and_so_count(tmp_path: Path) -> None:
    assert _words(tmp_path, "max-size: 1k", "--max-size", "2k", "image")[0] == "--max-size=1k"


def test_a_value_of_another_option_is_no_file() -> None:
    assert with_config(["-e", "--config", "image"], _VALUED, _FLAGS) == ["-e", "--config", "image"]


def test_an_empty_file_says_nothing(tmp_path: Path) -> None:
    assert _words(tmp_path, "# nothing\n", "image")[-1] == "image"


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("prob: x", "'prob' is no option", "did you mean probe"),
        ("nothing-like-it: x", "'nothing-like-it' is no option", "see cntr slim --help"),
        ("config: other.yaml", "'config' is no option", ""),
        ("help: true", "'help' is no option", ""),
        ("- probe", "has no options by their names", "one option on each line"),
        ("squash: maybe", "'squash' is true or false, not 'maybe'", ""),
        ("probe: {a: b}", "'probe' is a text, or has probe and some of body", ""),
        ("env: {a: b}", "'env' takes a text or a list of texts", ""),
        ("probe: [[a]]", "'probe' takes a text or a list of texts", ""),
    ],
)
def test_what_is_no_option_is_told(tmp_path: Path, text: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        _words(tmp_path, text)
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        with_config(["--config", str(tmp_path / "none")], _VALUED, _FLAGS)


def test_damaged_toml_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no TOML"):
        _words(tmp_path, "probe = [", name="slim.toml")


def test_a_request_is_a_mapping(tmp_path: Path) -> None:
    text = """
probe:
- http:80/
- probe: http:80/login=303
  method: PUT
  headers: {Accept: text/html, X-Two: a b}
  body: '{"a": 1}'
  user-file: account
- {probe: "http:80/", headers-file: token, body-file: a b.json}
"""
    first, *requests = [word for word in _words(tmp_path, text) if word.startswith("--probe=")]
    assert first == "--probe=http:80/"
    found = [parse(one.partition("=")[2]) for one in requests]
    put = Message("PUT", ("Accept: text/html", "X-Two: a b"), '{"a": 1}', "@account")
    post = Message("", ("@token",), "@a b.json")
    assert found == [Http(80, "/login", ((303, 303),), message=put), Http(80, message=post)]
