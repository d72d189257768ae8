"""Probes are read as they are written, and written as they are read."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from cntr_slimmer.probes import Probe, parse
from cntr_slimmer.probes.message import Message
from cntr_slimmer.probes.spec import SUCCESS, Crawl, Exec, Exit, Http, Manual, OpenApi, Ports, Quiet, Script, Tcp
from hypothesis import example, given

from cntr_core.errors import UsageError

_ports = st.integers(1, 65535)
_some_port = st.none() | _ports
_characters = st.characters(codec="utf-8", categories=("L", "N", "P", "S"))
_paths = st.text(_characters, max_size=20).map(lambda text: "/" + text).filter(lambda path: not path.startswith("//"))
_plain_paths = _paths.filter(lambda path: "=" not in path.partition("?")[0])
_range = st.tuples(st.integers(100, 599), st.integers(100, 599)).map(lambda pair: (min(pair), max(pair)))
_statuses = st.just(SUCCESS) | st.lists(_range, min_size=1, max_size=3).map(tuple)
_words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=10)
_commands = st.builds(lambda first, rest: (first, *rest), _words.filter(bool), st.lists(_words, max_size=3))
_codes = st.integers(0, 255)
_lines = st.text(st.characters(codec="ascii", categories=("L", "N", "P", "S")), max_size=10).map("X-A: {}".format)
_messages = st.builds(
    Message,
    st.sampled_from(["", "GET", "PATCH"]),
    st.just(()) | st.tuples(_lines) | st.just(("@a file",)),
    st.none() | _words.filter(lambda text: text != "@"),
    st.sampled_from(["", "@account"]),
)
PROBES = st.one_of(
    st.builds(Http, _some_port, _paths, _statuses, st.booleans(), _messages),
    st.builds(Tcp, _ports),
    st.builds(Exec, _commands, _codes),
    st.builds(Script, st.text(st.characters(codec="utf-8", exclude_characters="\0\n"), min_size=1)),
    st.builds(Crawl, _some_port, _plain_paths),
    st.builds(OpenApi, _some_port, _plain_paths.filter(lambda path: path != "/"), st.booleans()),
    st.builds(Ports, st.lists(_ports, max_size=4, unique=True).map(tuple)),
    st.builds(Quiet, st.integers(1, 86_400_000).map(lambda milliseconds: milliseconds / 1000)),
    st.just(Manual()),
    st.builds(Exit, _codes),
)


@given(PROBES)
@example(Http(None, "/search?q=404"))
@example(Http(None, "/search?q=404", ((404, 404),)))
@example(Http(80, "/=200"))
@example(Http(80, "/a=b"))
@example(Exec(("sh", "-c", "a=1; echo 'b c'")))
def test_a_probe_is_read_as_it_was_written(probe: Probe) -> None:
    assert parse(str(probe)) == probe


@pytest.mark.parametrize(
    ("text", "probe"),
    [
        ("http", Http()),
        ("http/", Http()),
        ("http:/", Http()),
        ("http:8080", Http(8080)),
        ("http:8080/a?a=b", Http(8080, "/a?a=b")),
        ("http:8080/a=b=200-399", Http(8080, "/a=b")),
        ("http/gone=404", Http(None, "/gone", ((404, 404),))),
        ("http:80=200,500-503", Http(80, "/", ((200, 200), (500, 503)))),
        ("https:8443/x", Http(8443, "/x", secure=True)),
        ("http -X POST", Http(message=Message("POST"))),
        (
            "http:80/a=201  -XPUT --data=x -H'A: b'",
            Http(80, "/a", ((201, 201),), message=Message("PUT", ("A: b",), "x")),
        ),
        ("http:80 -d @login.json -u @me", Http(80, message=Message("", (), "@login.json", "@me"))),
        ("http:80/?a=-X -d ''", Http(80, "/?a=-X", message=Message("", (), ""))),
        ("exec:sh -c 'exit 1'", Exec(("sh", "-c", "exit 1"))),
        ("exec=1:false", Exec(("false",), 1)),
        ("exec:test a = b", Exec(("test", "a", "=", "b"))),
        ("openapi:/openapi.json", OpenApi(None, "/openapi.json")),
        ("openapi:/api?format=json", OpenApi(None, "/api?format=json")),
        ("openapi+write:80/api", OpenApi(80, "/api", True)),
        ("ports:443,80,443", Ports((443, 80))),
        ("quiet:0.5s", Quiet(0.5)),
    ],
)
def test_what_users_write(text: str, probe: Probe) -> None:
    assert parse(text) == probe


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("", "http, https, tcp"),
        ("htp:80", "http, https, tcp"),
        ("http://localhost:80/", "http[:PORT][/PATH]"),
        ("http:0/", "http[:PORT][/PATH]"),
        ("http:65536/", "http[:PORT][/PATH]"),
        ("http:80/a b", "http[:PORT][/PATH]"),
        ("http:eighty", "http[:PORT][/PATH]"),
        ("http:80=600", "http[:PORT][/PATH]"),
        ("http:80/x=y", "http[:PORT][/PATH]"),
        ("http:80/x=20", "http[:PORT][/PATH]"),
        ("http/x=600", "http[:PORT][/PATH]"),
        ("https/x=200,", "http"),
        ("openapi:/x=y", "openapi[+write]:[PORT]/PATH"),
        ("openapi+write:80/x=200", "openapi[+write]:[PORT]/PATH"),
        ("crawl:80/x=200", "crawl[:PORT]"),
        ("http:80=300-200", "http[:PORT][/PATH]"),
        ("tcp", "tcp:PORT"),
        ("tcp:99999", "tcp:PORT"),
        ("exec:", "exec[=CODE]:COMMAND"),
        ("exec:''", "exec[=CODE]:COMMAND"),
        ("exec:'open", "exec[=CODE]:COMMAND"),
        ("exec=256:true", "exec[=CODE]:COMMAND"),
        ("script:", "script:FILE"),
        ("openapi:8080", "openapi[+write]:[PORT]/PATH"),
        ("quiet:10", "quiet:SECONDSs"),
        ("quiet:0s", "quiet:SECONDSs"),
        ("ports:1,", "ports[:PORT"),
        ("manual:1", "manual"),
        ("exit:1", "exit[=CODE]"),
        ("crawl+write:80", "crawl[:PORT]"),
    ],
)
def test_a_misspelt_probe_is_refused_and_the_hint_spells_it(text: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text)
    assert repr(text) in caught.value.message
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    "words",
    [
        "-u me:hunter2",
        "-u @",
        "-H 'Authorization: Bearer hunter2'",
        "-H 'authorization: hunter2'",
        "-H 'Cookie: hunter2'",
        "-H 'Authorization Bearer hunter2'",
        "-H 'A: hunter2\nB: c'",
        "-H 'Content-Length: 3'",
        "-H 'A: b' -H 'a: hunter2'",
        "-d hunter2 -d b",
        "-d",
        "-d @",
        "-X post",
        "-X 'GET / HTTP/1.1'",
        "--hunter2 x",
        "-d a hunter2",
        "-d 'hunter2",
    ],
)
def test_what_a_request_cannot_say_is_refused_without_its_secrets(words: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(f"http:80/ {words}")
    assert caught.value.message.startswith("'http:80/' is not a valid http probe: ")
    assert "hunter2" not in caught.value.message + caught.value.hint or words.startswith("--")


@given(
    st.text(max_size=30)
    | st.sampled_from(["http", "exec", "quiet:", "ports:"]).flatmap(
        lambda kind: st.text(max_size=10).map(lambda rest: kind + rest)
    )
)
def test_any_text_is_a_probe_or_refused(text: str) -> None:
    try:
        probe = parse(text)
    except UsageError:
        return
    assert parse(str(probe)) == probe
