"""Broken connections are told in words of people, not of Python's libraries."""

from __future__ import annotations

import base64
import http.client
import io
import json
import lzma
import shlex
import socket
import ssl
import threading
import tomllib
import zlib
from collections.abc import Callable
from pathlib import Path

import httpx
import msgspec
import pytest
import zstandard
from cntr_slimmer.report.write import read_report
from cntr_slimmer.split.split_map import SplitMap
from cntr_slimmer.trace.file import load

from cntr_core.errors import ImageError
from cntr_core.images.streams import decompressed
from cntr_core.images.values import parse_json
from cntr_core.reasons import reason

_CUT = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc"
_SSH = b"SSH-2.0-OpenSSH_9.2p1\r\n\r\n"
_FORM = "something in it has another form than it should"


def _typed(name: str) -> str:
    return name


def _answering(answer: bytes) -> int:
    """A server that gives one answer, and closes; gives the port."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with server, server.accept()[0] as peer:
            peer.recv(65536)
            peer.sendall(answer)

    threading.Thread(target=serve, daemon=True).start()
    return int(server.getsockname()[1])


def test_an_answer_that_ends_early_is_called_so() -> None:
    connection = http.client.HTTPConnection("127.0.0.1", _answering(_CUT))
    connection.request("GET", "/")
    with pytest.raises(http.client.IncompleteRead) as caught:
        connection.getresponse().read()
    assert reason(caught.value) == "the answer ended early"
    with pytest.raises(httpx.RemoteProtocolError) as refused:
        httpx.get(f"http://127.0.0.1:{_answering(_CUT)}/")
    assert reason(refused.value) == "the answer ended early"


def test_an_answer_that_is_no_http_is_called_so() -> None:
    with pytest.raises(httpx.RemoteProtocolError) as refused:
        httpx.get(f"http://127.0.0.1:{_answering(_SSH)}/")
    assert reason(refused.value) == "it is no HTTP"
    connection = http.client.HTTPConnection("127.0.0.1", _answering(b"hello\r\n\r\n"))
    connection.request("GET", "/")
    with pytest.raises(http.client.BadStatusLine) as odd:
        connection.getresponse()
    assert reason(odd.value) == "it is no HTTP"


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (lambda: json.loads('{"a": 1,\n "b": }'), "unexpected text at line 2, column 7"),
        (lambda: json.loads('{"a": '), "it ends early at line 1, column 7"),
        (lambda: json.loads(b"\xff{}"), "byte 1 is no text"),
        (lambda: json.loads("[" * 100_000), "it is nested too deeply"),
        (lambda: json.loads("{}")["a"], "'a' is missing"),
        (lambda: json.loads("[]")["a"], _FORM),
        (lambda: [].b, _FORM),  # type: ignore[attr-defined]
        (lambda: int("x"), _FORM),
        (lambda: _typed(nome=1), "'nome' is unknown"),
        (lambda: _typed(), "'name' is missing"),
        (lambda: dict([()]), _FORM),  # type: ignore[list-item]
        (lambda: [][0], "something is missing"),
        (lambda: shlex.split("'"), "a quote is not closed"),
        (lambda: base64.b64decode("%", validate=True), "it is no valid base64"),
        (lambda: zlib.decompress(b"x"), "a compressed block is damaged"),
        (lambda: lzma.decompress(b"x"), "a compressed block is damaged"),
        (lambda: zstandard.decompress(b"x"), "a compressed block is damaged"),
        (lambda: tomllib.loads("a ="), "invalid value (at end of document)"),
        (lambda: msgspec.json.decode(b'{"a":,}'), "unexpected text at byte 6"),
        (lambda: msgspec.json.decode(b'{"a":'), "it ends early"),
        (
            lambda: msgspec.convert({"a": [{"b": "x"}]}, dict[str, list[dict[str, int]]]),
            "[...][0][...] has another form than it should",
        ),
        (lambda: open("/none"), "No such file or directory: /none"),  # noqa: SIM115
        (lambda: httpx.get(f"https://127.0.0.1:{_answering(b'hello')}/"), "wrong version number"),
        (
            lambda: ssl.create_default_context().load_verify_locations(cadata="x"),
            "no start line: cadata does not contain a certificate",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_libraries_raise_is_told_in_plain_words(broken: Callable[[], object], words: str) -> None:
    with pytest.raises(Exception) as caught:
        broken()
    assert reason(caught.value) == words, repr(caught.value)


def _damaged_stream(kind: str) -> Callable[[], object]:
    packed = {
        "gzip": zlib.compressobj(wbits=31),
        "xz": lzma.LZMACompressor(),
        "zstd": zstandard.ZstdCompressor().compressobj(),
    }[kind]
    data = bytearray(packed.compress(bytes(range(256)) * 9000) + packed.flush())
    data[len(data) // 2 : len(data) // 2 + 40] = b"?" * 40
    source = decompressed(io.BytesIO(bytes(data)))[0]
    return lambda: [*iter(lambda: source.read(1 << 16), b"")]


@pytest.mark.parametrize(
    ("read", "words"),
    [
        (
            lambda: parse_json(b'{"a":1,}', "index.json"),
            "index.json is not valid JSON: unexpected text at line 1, column 8",
        ),
        (
            lambda: load(b'{"format": "cntr-trace/1"}\n["access"]\n', "t"),
            "t is not a trace, or is damaged: line 2 has another form than it should",
        ),
        (
            lambda: load(b'{"format": "cntr-trace/1"}\n["process", 1, "/x"]\n["end"', "t"),
            "t is not a trace, or is damaged: unexpected text at line 3, column 7",
        ),
        (lambda: load(b"{}", "t"), "t is not a trace, or is damaged: 'format' is missing"),
        (lambda: SplitMap.unpack(b"x"), "the fat image's split map is damaged: a compressed block is damaged"),
        (
            lambda: SplitMap.unpack(zstandard.compress(b"{}")),
            "the fat image's split map is damaged: 'format' is missing",
        ),
        (_damaged_stream("gzip"), "its gzip data is corrupt: a compressed block is damaged, before byte "),
        (_damaged_stream("zstd"), "its zstd data is corrupt: a compressed block is damaged, before byte "),
        (_damaged_stream("xz"), "its xz data is corrupt: a compressed block is damaged, before byte "),
    ],
)
def test_what_is_damaged_is_told_with_its_place(read: Callable[[], object], words: str) -> None:
    with pytest.raises(ImageError) as caught:
        read()
    assert caught.value.message.rstrip("0123456789") == words.rstrip("0123456789")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"schema": "cntr-report/2",\n "a": x}', "is not a report: unexpected text at byte "),
        ('{"schema": "SCHEMA"}', "the report is damaged: '"),
        ('{"schema": "SCHEMA", "image": 3}', "the report is damaged: image has another form than it should"),
    ],
)
def test_a_damaged_report_is_told_with_its_place(tmp_path: Path, content: str, words: str) -> None:
    from cntr_slimmer.report.schema import SCHEMA

    (tmp_path / "report.json").write_text(content.replace("SCHEMA", SCHEMA))
    with pytest.raises(ImageError) as caught:
        read_report(str(tmp_path))
    assert words in caught.value.message
