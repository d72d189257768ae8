"""A registry is a stranger: passwords go to its own origin only, and no answer of it has no end."""

from __future__ import annotations

import base64
import gzip
import http.server
import json
import socketserver
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from cntr_core.errors import ImageError
from cntr_core.images import open_image
from cntr_core.images.registry.client import Repository
from cntr_core.images.registry.reference import RegistryReference
from tests.unit.images.layouts import Layout, file, tar

pytestmark = pytest.mark.timeout(120)
_SECRET = base64.b64encode(b"bob:registry-password").decode()
Handler = http.server.BaseHTTPRequestHandler
Behaviour = Callable[[Handler], object]


@contextmanager
def _serving(behave: Behaviour) -> Iterator[tuple[str, list[tuple[str, str, bytes]]]]:
    """A server on this machine: its ``HOST:PORT``, and what it was asked (path, ``Authorization``, body)."""
    seen: list[tuple[str, str, bytes]] = []

    class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
        daemon_threads = True

    class Each(Handler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            seen.append((self.path, self.headers.get("Authorization", ""), body))
            try:
                behave(self)
            except OSError:  # the client has seen enough
                self.close_connection = True

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            pass

    with Server(("127.0.0.1", 0), Each) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}", seen
        finally:
            server.shutdown()
            thread.join()


def _answer(to: Handler, status: int, body: bytes = b"", **headers: str) -> None:
    to.send_response(status)
    for name, value in headers.items():
        to.send_header(name.replace("_", "-"), value)
    to.send_header("Content-Length", str(len(body)))
    to.end_headers()
    to.wfile.write(body)


def _without_end(to: Handler, status: int = 200, **headers: str) -> None:
    to.send_response(status)
    for name, value in {**headers, "Transfer-Encoding": "chunked"}.items():
        to.send_header(name.replace("_", "-"), value)
    to.end_headers()
    while True:
        to.wfile.write(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")


def _image() -> dict[str, bytes]:
    made = Layout()
    made.top(made.image([tar(file("a"))]))
    return made.files


_FILES = _image()
_MANIFEST = json.loads(_FILES["index.json"])["manifests"][0]


def _registry(to: Handler, storage: str = "") -> None:
    """The image, whose blobs lie in the storage where there is one."""
    if "/manifests/" in to.path:
        content = _FILES["blobs/" + _MANIFEST["digest"].replace(":", "/")]
        _answer(to, 200, content, Content_Type=_MANIFEST["mediaType"])
    elif storage:
        _answer(to, 307, Location=f"http://{storage}{to.path}")
    else:
        _answer(to, 200, _FILES["blobs/sha256/" + to.path.rpartition(":")[2]])


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))


def _log_in(tmp_path: Path, host: str, **more: str) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"auths": {host: {"auth": _SECRET, **more}}}))


def test_a_storage_elsewhere_is_told_no_password(tmp_path: Path) -> None:
    def store(to: Handler) -> None:
        _answer(to, 401, WWW_Authenticate='Basic realm="mine"')

    def registry(to: Handler) -> None:
        if to.headers.get("Authorization") != f"Basic {_SECRET}":
            _answer(to, 401, WWW_Authenticate='Basic realm="x"')
        else:
            _registry(to, storage)

    with _serving(store) as (storage, stored), _serving(registry) as (host, seen):
        _log_in(tmp_path, host)
        with pytest.raises(ImageError, match="user name"):
            open_image(f"registry://{host}/x:1")
    assert any(authorization for _, authorization, _ in seen)
    assert stored and not any(authorization for _, authorization, _ in stored)


@pytest.mark.parametrize("token", ["", "refresh"], ids=["password", "identity token"])
def test_a_token_service_leads_nowhere_else(tmp_path: Path, token: str) -> None:
    def registry(to: Handler) -> None:
        if to.path.startswith("/token"):
            _answer(to, 307, Location=f"http://{other}/token")
        else:
            _answer(to, 401, WWW_Authenticate=f'Bearer realm="http://{to.headers["Host"]}/token",service="s"')

    with _serving(_registry) as (other, stolen), _serving(registry) as (host, _):
        _log_in(tmp_path, host, **({"identitytoken": token} if token else {}))
        with pytest.raises(ImageError, match="307"):
            open_image(f"registry://{host}/x:1")
    assert stolen == []


def test_a_registry_here_sends_no_password_elsewhere_unencrypted(tmp_path: Path) -> None:
    def registry(to: Handler) -> None:
        _answer(to, 401, WWW_Authenticate='Bearer realm="http://tokens.example.invalid/token",service="s"')

    with _serving(registry) as (host, _):
        _log_in(tmp_path, host)
        with pytest.raises(ImageError, match="unencrypted"):
            open_image(f"registry://{host}/x:1")


@pytest.mark.parametrize(
    "location", ["http://r.test/v2/x/blobs/uploads/1", "https://r.test:444/v2/x/1", "https://s.test/"]
)
def test_credentials_stay_with_scheme_host_and_port(tmp_path: Path, location: str) -> None:
    seen: list[tuple[str, str]] = []

    def registry(request: httpx.Request) -> httpx.Response:
        seen.append((str(request.url), request.headers.get("Authorization", "")))
        if request.url.scheme != "https" or request.url.host != "r.test" or request.url.port:
            return httpx.Response(401, headers={"WWW-Authenticate": 'Basic realm="x"'}, stream=httpx.ByteStream(b""))
        if not request.headers.get("Authorization"):
            return httpx.Response(401, headers={"WWW-Authenticate": 'Basic realm="x"'}, stream=httpx.ByteStream(b""))
        return httpx.Response(202, headers={"Location": location}, stream=httpx.ByteStream(b""))

    _log_in(tmp_path, "r.test")
    with Repository(RegistryReference.parse("r.test/x:1"), "pull,push") as repository:
        repository._client = httpx.Client(transport=httpx.MockTransport(registry))
        begun = repository.request("POST", "blobs/uploads/")
        with pytest.raises(ImageError):
            repository.once("PUT", begun.location, content=b"d")
    assert (location, "") in seen
    assert not any(authorization for url, authorization in seen if url.startswith(location))


def _bomb() -> bytes:
    """Two gigabytes of zeros, compressed twice."""
    encoder = zlib.compressobj(9, zlib.DEFLATED, 31)
    once = b"".join(encoder.compress(bytes(1 << 24)) for _ in range(128)) + encoder.flush()
    return gzip.compress(once)


def _challenge(to: Handler) -> str:
    return f'Bearer realm="http://{to.headers["Host"]}/token",service="s"'


def _endless_redirect(to: Handler) -> None:
    _without_end(to, 307, Location="/v2/x/manifests/2") if to.path.endswith("1") else _registry(to)


def _endless_challenge(to: Handler) -> None:
    if to.path.startswith("/token"):
        _answer(to, 200, b'{"token": "t"}')
    elif not to.headers.get("Authorization"):
        _without_end(to, 401, WWW_Authenticate=_challenge(to))
    else:
        _registry(to)


def _endless_token(to: Handler) -> None:
    _without_end(to) if to.path.startswith("/token") else _answer(to, 401, WWW_Authenticate=_challenge(to))


def _endless_manifest(to: Handler) -> None:
    _without_end(to)


def _endless_error(to: Handler) -> None:
    _without_end(to, 404)


def _token_bomb(to: Handler) -> None:
    if to.path.startswith("/token"):
        _answer(to, 200, _BOMB, Content_Encoding="gzip, gzip")
    else:
        _answer(to, 401, WWW_Authenticate=_challenge(to))


def _manifest_bomb(to: Handler) -> None:
    _answer(to, 200, _BOMB, Content_Encoding="gzip, gzip", Content_Type=_MANIFEST["mediaType"])


def _round_and_round(to: Handler) -> None:
    _answer(to, 302, Location=to.path)


_BOMB = _bomb()


@pytest.mark.parametrize("behave", [_endless_redirect, _endless_challenge])
def test_what_leads_on_is_not_read(behave: Behaviour) -> None:
    with _serving(behave) as (host, _), open_image(f"registry://{host}/x:1") as image:
        assert len(image.layers) == 1


@pytest.mark.parametrize(
    ("behave", "words"),
    [
        (_endless_token, "more than 4194304 bytes"),
        (_endless_manifest, "more than 4194304 bytes"),
        (_endless_error, "more than 4194304 bytes"),
        (_token_bomb, "JSON|more than"),
        (_manifest_bomb, "JSON|more than"),
        (_round_and_round, "redirects more than"),
    ],
)
def test_an_answer_without_end_is_an_error(behave: Behaviour, words: str) -> None:
    with _serving(behave) as (host, _), pytest.raises(ImageError, match=words):
        open_image(f"registry://{host}/x:1")
