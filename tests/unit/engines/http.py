"""HTTP servers of our own at a socket, which answer as other versions of LXD and Incus do, or as nothing sane would."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from socketserver import UnixStreamServer
from typing import Any

from tests.children import child, until
from tests.recorded import fixture


def recorded(name: str) -> Any:
    """The JSON of a fixture."""
    return json.loads(fixture(name))


@contextmanager
def serving_json(path: str, answers: Mapping[str, Any]) -> Iterator[None]:
    """A server in a child process, with an answer for each path of GET requests, whatever their parameters; bytes are
    sent as they are. Paths without an answer have LXD's error."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.path.partition("?")[0]
            answer = answers.get(asked, recorded("lxd/lxd-5.0-error.json"))
            body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(200 if asked in answers else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with child(lambda: UnixStreamServer(path, Handler).serve_forever()):
        until(lambda: os.path.exists(path))
        yield
