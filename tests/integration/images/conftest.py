"""Real registries on this machine, and a proxy in front of them that breaks things."""

from __future__ import annotations

import base64
import http.client
import http.server
import json
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

HANG = 60  # seconds after which a test has found a hang
USER, PASSWORD = "user", "pass:word"


@dataclass(frozen=True, slots=True)
class Registry:
    """A registry that listens at `host`; its files are below `root`."""

    host: str
    root: Path

    def name(self, image: str) -> str:
        return f"registry://{self.host}/{image}"

    def blob(self, digest: str) -> Path:
        """The file of a blob or manifest."""
        value = digest.removeprefix("sha256:")
        return self.root / f"docker/registry/v2/blobs/sha256/{value[:2]}/{value}/data"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(directory: Path, **config: Any) -> Iterator[Registry]:
    """Run docker's registry with its files in `directory`."""
    port = free_port()
    document = {
        "version": 0.1,
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(directory / "files")}},
        **config,
        "http": {"addr": f"127.0.0.1:{port}", **config.get("http", {})},
    }
    (directory / "config.yml").write_text(json.dumps(document))  # JSON is YAML
    with open(directory / "log", "wb") as log:
        line = ["docker-registry", "serve", str(directory / "config.yml")]
        process = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        _await(process, port, directory / "log")
        yield Registry(f"127.0.0.1:{port}", directory / "files")
    finally:
        process.terminate()
        process.wait(HANG)


def _await(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + HANG
    while process.poll() is None and time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    pytest.fail(f"docker-registry does not start: {log.read_text()}")


@pytest.fixture(autouse=True)
def docker_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory for docker's configuration, instead of the user's own."""
    directory = tmp_path / "docker-config"
    directory.mkdir()
    monkeypatch.setenv("DOCKER_CONFIG", str(directory))
    return directory


@pytest.fixture
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """One that is open to all."""
    with serving(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture
def guarded_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """One that wants USER and PASSWORD."""
    directory = tmp_path_factory.mktemp("guarded")
    line = ["htpasswd", "-Bbn", USER, PASSWORD]
    (directory / "htpasswd").write_bytes(subprocess.run(line, check=True, capture_output=True, timeout=HANG).stdout)
    with serving(directory, auth={"htpasswd": {"realm": "test", "path": str(directory / "htpasswd")}}) as running:
        yield running


def log_in(directory: Path, host: str, password: str = PASSWORD) -> None:
    """What ``docker login`` notes."""
    auth = base64.b64encode(f"{USER}:{password}".encode()).decode()
    (directory / "config.json").write_text(json.dumps({"auths": {host: {"auth": auth}}}))


# -- bearer tokens ---------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class TokenService:
    """Gives tokens to USER; remembers the scopes that were asked for."""

    realm: str
    scopes: list[str] = field(default_factory=list)


def make_certificate(directory: Path, name: str) -> tuple[Path, Path]:
    """A certificate of `name` that signs itself, and its key."""
    certificate, key = directory / "certificate.pem", directory / "key.pem"
    line = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}"]
    line += ["-addext", f"subjectAltName=DNS:{name}", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(line, check=True, capture_output=True, timeout=HANG)
    return certificate, key


@pytest.fixture
def token_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Registry, TokenService]]:
    """One that wants a token, which a service of its own gives."""
    directory = tmp_path_factory.mktemp("token")
    certificate, key = make_certificate(directory, "tokens")
    service = TokenService(f"http://127.0.0.1:{free_port()}/token?of=registry")
    token = {"realm": service.realm, "service": "test", "issuer": "issuer", "rootcertbundle": str(certificate)}
    with _token_server(service, certificate, key), serving(directory, auth={"token": token}) as running:
        yield running, service


@contextmanager
def _token_server(service: TokenService, certificate: Path, key: Path) -> Iterator[None]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(parse_qs(urlsplit(self.path).query), self.headers.get("Authorization", ""))

        def do_POST(self) -> None:
            fields = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            token = fields["refresh_token"][0] if fields["grant_type"] == ["refresh_token"] else ""
            fields["scope"] = fields["scope"][0].split(" ")
            self._answer(fields, "identity" if token == "identity" else "wrong")

        def _answer(self, fields: Mapping[str, list[str]], identity: str) -> None:
            basic = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
            service.scopes += fields["scope"]
            granted = [scope for scope in fields["scope"] if identity in (basic, "identity")]
            body = json.dumps({"token": _sign(granted, certificate, key)}).encode()
            self.send_response(200 if not identity or granted else 401)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with _threaded(Handler, urlsplit(service.realm).port or 0):
        yield


def _sign(scopes: list[str], certificate: Path, key: Path) -> str:
    """A token as distribution's auth/jwt.md has it."""
    chain = "".join(line for line in certificate.read_text().splitlines() if not line.startswith("---"))
    now = int(time.time())
    access = [
        {"type": kind, "name": name, "actions": actions.split(",")}
        for kind, name, actions in (scope.split(":") for scope in scopes)
    ]
    claims = {"iss": "issuer", "sub": USER, "aud": "test", "exp": now + 300, "nbf": now - 60, "iat": now, "jti": "1"}
    parts = [_encode({"alg": "RS256", "typ": "JWT", "x5c": [chain]}), _encode({**claims, "access": access})]
    line = ["openssl", "dgst", "-sha256", "-sign", str(key)]
    done = subprocess.run(line, input=".".join(parts).encode(), check=True, capture_output=True, timeout=HANG)
    return ".".join([*parts, base64.urlsafe_b64encode(done.stdout).rstrip(b"=").decode()])


def _encode(document: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()


# -- faults ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Fault:
    """Answer with `status`, which may lead to `location`, instead of asking the registry; or pass on only so many bytes
    of the request or of the answer, and then hang up; or change the answer's body."""

    status: int = 0
    location: str = ""
    upload: int | None = None
    download: int | None = None
    change: Callable[[bytes], bytes] | None = None


Chooser = Callable[[str, str, Mapping[str, str]], Fault | None]
"""Chooses the fault for a method, a path and the request's headers; None for none."""


@dataclass(slots=True)
class Proxy:
    """Stands in front of a registry, at `host`. `choose` says what goes wrong; `seen` are the requests."""

    host: str
    choose: Chooser
    seen: list[tuple[str, str]]

    def name(self, image: str) -> str:
        return f"registry://{self.host}/{image}"


@pytest.fixture
def proxy(registry: Registry) -> Iterator[Proxy]:
    with forwarding(registry) as made:
        yield made


@contextmanager
def forwarding(registry: Registry) -> Iterator[Proxy]:
    """A proxy in front of `registry`."""
    port = free_port()
    made = Proxy(f"127.0.0.1:{port}", lambda *_: None, [])

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _forward(self) -> None:
            made.seen.append((self.command, self.path))
            fault = made.choose(self.command, self.path, self.headers) or Fault()  # type: ignore[arg-type]
            length = int(self.headers.get("Content-Length", 0))
            if fault.status:
                self.rfile.read(length)
                self._send(fault.status, {"Content-Length": "0", "Location": fault.location}, b"")
                return
            body = self.rfile.read(length if fault.upload is None else fault.upload)
            upstream = http.client.HTTPConnection(registry.host, timeout=HANG)
            upstream.putrequest(self.command, self.path, skip_host=True)
            for key, value in {**self.headers, "Host": made.host}.items():
                upstream.putheader(key, value)
            upstream.endheaders(body)
            if fault.upload is not None:
                upstream.close()
                self.close_connection = True
                return
            answer = upstream.getresponse()
            content = answer.read()
            self._send(answer.status, dict(answer.getheaders()), content, fault)
            upstream.close()

        def _send(self, status: int, headers: Mapping[str, str], content: bytes, fault: Fault | None = None) -> None:
            self.send_response_only(status)
            for key, value in headers.items():
                self.send_header(key, value)
            self.end_headers()
            if self.command == "HEAD":
                return
            if fault and fault.change:
                content = fault.change(content)
            if fault and fault.download is not None:
                content = content[: fault.download]
                self.close_connection = True
            self.wfile.write(content)

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = _forward

        def log_message(self, *_: object) -> None:
            pass

    with _threaded(Handler, port):
        yield made


@dataclass(slots=True)
class Storage:
    """A server that gives `content` to all; `seen` are the requests, with their headers."""

    host: str
    content: bytes = b""
    seen: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)


@pytest.fixture
def storage() -> Iterator[Storage]:
    port = free_port()
    made = Storage(f"127.0.0.1:{port}")

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.seen.append((self.path, dict(self.headers)))
            self.send_response(200)
            self.send_header("Content-Length", str(len(made.content)))
            self.end_headers()
            self.wfile.write(made.content)

        def log_message(self, *_: object) -> None:
            pass

    with _threaded(Handler, port):
        yield made


@contextmanager
def _threaded(handler: type[http.server.BaseHTTPRequestHandler], port: int) -> Iterator[None]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join(HANG)


def once(matches: Callable[[str, str], bool], fault: Fault) -> Chooser:
    """The fault for the first request that matches."""
    spent: list[bool] = []

    def choose(method: str, path: str, _headers: Mapping[str, str]) -> Fault | None:
        if spent or not matches(method, path):
            return None
        spent.append(True)
        return fault

    return choose


def always(matches: Callable[[str, str], bool], fault: Fault) -> Chooser:
    """The fault for all requests that match."""
    return lambda method, path, _headers: fault if matches(method, path) else None
