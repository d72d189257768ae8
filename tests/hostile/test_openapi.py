"""A hostile description of an application's interface: large, deep, or short and meaning much."""

from __future__ import annotations

import http.server
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

HANG = 20
MEMORY = 1 << 30
"""Bytes of address space."""
_BIG = "x" * (1 << 20)


def _document(paths: dict[str, Any], **more: Any) -> bytes:
    return json.dumps({"openapi": "3.0.0", "paths": paths, **more}).encode()


def _body(schema: dict[str, Any], **schemas: Any) -> bytes:
    """One operation that takes a body of this schema."""
    taken = {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}, "responses": {}}
    return _document({"/x": {"post": taken}}, components={"schemas": schemas})


def _to(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _numbered(count: int, value: object) -> dict[str, Any]:
    return {f"/n{number}": value for number in range(count)}


def _fan(word: str) -> bytes:
    parts: Any = _numbered(100, _to("A")) if word == "properties" else [_to("A")] * 100
    return _body(_to("A"), A={"type": "object", word: parts, "required": list(_numbered(100, 0))})


def _parameters(count: int, name: str = "q", **more: Any) -> list[dict[str, Any]]:
    return [{"in": "query", "name": f"{name}{number}", **more} for number in range(count)]


def _shared() -> bytes:
    """Each of many paths takes the same many parameters."""
    item = {"parameters": _parameters(5000, example=1), "get": {}}
    return _document(_numbered(20_000, {"$ref": "#/components/item"}), components={"item": item})


def _many_times() -> bytes:
    """A large example in each of many places."""
    parameters = [{**one, "examples": {"e": {"$ref": "#/components/big"}}} for one in _parameters(8000)]
    return _document({"/x": {"get": {"parameters": parameters}}}, components={"big": {"value": _BIG}})


def _template() -> bytes:
    path = "/" + "{a}" * 200_000
    return _document({path: {"get": {"parameters": [{"in": "path", "name": "a", "required": True, "example": _BIG}]}}})


def _long_reference() -> bytes:
    reference = "#/" + "a/" * 400_000
    return _document(_numbered(20_000, {"get": {"$ref": "#/c"}}), c={"$ref": reference})


def _odd_names() -> bytes:
    odd = [
        "/\x1b[2J\x1b]0;title\x07",
        "/\ud800",
        "no/slash",
        "//elsewhere/x",
        "/{a}",
        "/\r\nHost: x",
        "/" + "y" * 100_000,
    ]
    parameters = [
        {"in": "header", "name": "X\r\nEvil: 1", "example": "a\r\nb"},
        {"in": "header", "name": "Content-Length", "example": "9" * 30},
        {"in": "header", "name": "\ud800", "example": "\ud800"},
        {"in": "path", "name": "a", "example": "\ud800"},
        {"in": "cookie", "name": "\x1b", "example": _BIG[:100_000]},
        {"in": "query", "name": "\ud800", "example": {"a": ["\ud800"]}},
    ]
    return _document({path: {"get": {"parameters": parameters}} for path in odd})


DOCUMENTS: dict[str, tuple[Callable[[], bytes], str]] = {
    "100 MB": (
        lambda: b'{"openapi":"3.0.0","paths":{' + b'"/a":{"get":{}},' * 7_000_000 + b'"/b":{}}}',
        "it has more than 2 MiB",
    ),
    "deep": (lambda: b'{"openapi":"3.0.0","paths":' + b"[" * 1_000_000, "it is nested too deeply"),
    "deep example": (
        # Just below what Python's parser can follow: whether it is written out as well, depends on who calls whom.
        lambda: _body({"example": 1}).replace(b": 1}", b": " + b"[" * 980 + b"]" * 980 + b"}"),
        "",
    ),
    "digits": (lambda: b'{"openapi":"3.0.0","x":' + b"9" * 5000 + b"}", "a number in it is too long"),
    "references in a circle": (lambda: _body(_to("A"), A=_to("B"), B=_to("A")), "1 operation called"),
    "objects of objects": (lambda: _fan("properties"), "too much"),
    "unions of unions": (lambda: _fan("allOf"), "too much"),
    "the same parameters": (_shared, "too much"),
    "a large example many times": (_many_times, "too much"),
    "a template": (_template, "too much"),
    "a long reference": (_long_reference, "operations"),
    "many paths": (lambda: _document(_numbered(80_000, {"get": {}})), "the time was up after"),
    "odd names": (_odd_names, "6 operations called, of which"),
    "odd types": (
        lambda: (
            b'{"openapi":"3.0.0","servers":[{"url":"http://[::1"}],"paths":{"/a":{"get":{"parameters":[1,{"in":{}}],'
            b'"responses":[1]}},"/b":[],"/c":{"get":{"parameters":[{"in":"query","name":[],"example":NaN}]}}}}'
        ),
        "2 operations called",
    ),
}
_CALL = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[2]),) * 2)
from cntr_slimmer.probes.attempt import NoAnswer
from cntr_slimmer.probes.network import Endpoint
from cntr_slimmer.probes.openapi import call_all
from cntr_slimmer.probes.web import Web
try:
    detail = call_all(Web(), Endpoint("127.0.0.1", int(sys.argv[1])), "/api.json", True, 3).detail
    print(detail.encode(errors="backslashreplace").decode())
except NoAnswer as error:
    print(error)
"""


class _Handler(http.server.BaseHTTPRequestHandler):
    document = b""

    def _answer(self) -> None:
        body = self.document if self.path == "/api.json" else b""
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = _answer

    def log_message(self, *_: object) -> None:
        pass


class _Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """The client leaves early."""


@pytest.fixture
def served() -> Iterator[Callable[[bytes], int]]:
    """Serves a document; gives the port."""
    with _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {})) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()

        def serve(document: bytes) -> int:
            server.RequestHandlerClass.document = document  # type: ignore[attr-defined]  # the class above
            return server.server_port

        yield serve
        server.shutdown()


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_that_means_too_much(served: Callable[[bytes], int], name: str) -> None:
    make, expected = DOCUMENTS[name]
    line = [sys.executable, "-c", _CALL, str(served(make())), str(MEMORY)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=HANG)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr[-2000:]
    assert expected in done.stdout and len(done.stdout) < 2000, done.stdout[:2000]
