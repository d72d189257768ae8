"""Questions to docker's API by GET, without the docker package: to import that takes longer than the answers."""

from __future__ import annotations

import re
import socket
from contextlib import closing
from typing import Any

from cntr_core.json_text import read_json
from cntr_core.reasons import reason

from ..sockets import LOCAL

_CHUNK = 1 << 16
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9][0-9])\b")
_VERSION = re.compile(rb"^api-version: *([0-9.]+)\r?$", re.IGNORECASE | re.MULTILINE)
_ERROR, _NOT_FOUND, _SERVER_ERROR = 400, 404, 500


class Refused(Exception):
    """The engine answers with an error; `by_server` where that is no fault of the question, `is_missing` where it is
    about what is not there."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.message = message
        self.by_server = status >= _SERVER_ERROR
        self.is_missing = status == _NOT_FOUND


class Unanswered(Exception):
    """Nobody answers, for the reason that it says."""


class Questions:
    """The API at `endpoint`, a unix socket; `timeout` is in seconds of silence, `version` None to agree on one.

    Each question may raise :class:`Refused`, :class:`Unanswered`, or ValueError where the answer is none.
    """

    def __init__(self, endpoint: str, timeout: float, version: str | None) -> None:
        self.endpoint = endpoint
        self._timeout = timeout
        self.version = version or self._agreed()

    def ask(self, question: str) -> Any:
        """What is at the path `question` of the API, from its JSON."""
        return read_json(self._get(f"/v{self.version}{question}")[1])

    def server_version(self) -> str:
        """The version of the engine itself."""
        return str(read_json(self._get("/version")[1])["Version"])

    def _agreed(self) -> str:
        """The newest version of the API. Most engines tell it with every answer; to ask for it takes ten times as
        long."""
        try:
            told = _VERSION.search(self._get("/_ping")[0])
        except Refused:  # by what stands between us and the engine, say
            told = None
        return told[1].decode() if told else str(read_json(self._get("/version")[1])["ApiVersion"])

    def _get(self, target: str) -> tuple[bytes, bytes]:
        """The head of the answer, and its body."""
        try:
            answer = self._answer(f"GET {target} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
        except OSError as error:
            raise Unanswered(reason(error)) from error
        if not answer:
            raise Unanswered("the connection was closed")
        head, _, body = answer.partition(b"\r\n\r\n")
        status = _STATUS.match(head)
        if status is None:
            raise ValueError("it is no HTTP")
        if int(status[1]) >= _ERROR:
            raise Refused(int(status[1]), _message(body))
        return head, body

    def _answer(self, request: bytes) -> bytes:
        """All that comes back: to HTTP/1.0 it comes in one piece, and ends with the connection (RFC 9112, 6.1, 6.3)."""
        with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)) as connection:
            connection.settimeout(self._timeout)
            connection.connect(self.endpoint.removeprefix(LOCAL))
            connection.sendall(request)
            return b"".join(iter(lambda: connection.recv(_CHUNK), b""))


def _message(body: bytes) -> str:
    """What the engine says of an error, as JSON or as plain text."""
    text = body.decode(errors="replace").strip()
    try:
        return str(read_json(text)["message"])
    except (ValueError, KeyError, TypeError):
        return text or "it gives no reason"
