"""A program that serves what probes must get right; tests run it in a network namespace of its own.

server.py http PORT [SECONDS-UNTIL-IT-LISTENS] [ADDRESS]
server.py https PORT CERTIFICATE
server.py greeting PORT        something else than HTTP
server.py silent PORT          takes connections, and says nothing
server.py api PORT STATUS      has one answer to everything
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import socket
import ssl
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HTML = "text/html; charset=utf-8"
COUNT = itertools.count()
ACCOUNT = "Basic bWU6aHVudGVyMg=="  # me:hunter2
STARTED = time.monotonic()

INDEX = """<html><head><link rel=stylesheet href="/style.css"><style>body { background: url(/bg.png) }</style></head>
<body><a href="about">about</a> <a href="/missing">lost</a> <a href="/moved#there">moved</a>
<a href="http://localhost:PORT/absolute">own</a> <a href="http://elsewhere.example/x">foreign</a>
<a href="mailto:a@example.com">mail</a><img srcset="/small.png 1x, /large.png 2x" src=/small.png></body></html>"""

OPENAPI = {
    "openapi": "3.0.3",
    "servers": [{"url": "/v1"}],
    "paths": {
        "/pets": {
            "get": {
                "parameters": [{"name": "limit", "in": "query", "schema": {"type": "integer", "default": 2}}],
                "responses": {"200": {}},
            },
            "post": {
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}}},
                "responses": {"201": {}},
            },
        },
        "/pets/{id}": {
            "parameters": [{"name": "id", "in": "path", "required": True, "example": 7, "schema": {"type": "integer"}}],
            "get": {"responses": {"200": {}}},
        },
    },
    "components": {
        "schemas": {"Pet": {"required": ["name"], "properties": {"name": {"type": "string", "example": "Rex"}}}}
    },
}
BROKEN_API = {"openapi": "3.1.0", "paths": {"/error": {"get": {"responses": {"200": {}, "default": {}}}}}}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        port = str(self.server.server_address[1])
        pages = {
            "/": (200, HTML, INDEX.replace("PORT", port)),
            "/about": (200, HTML, '<a href="/">home</a><a href="/deep">deep</a>'),
            "/absolute": (200, HTML, "here"),
            "/style.css": (200, "text/css", "@import '/more.css'; /* url(/no.png) */ p { src: url('font.woff') }"),
            "/more.css": (200, "text/css", ""),
            "/error": (500, "text/plain", "error"),
            "/count": (200, "text/plain", f"visit {next(COUNT)}" if path == "/count" else ""),
            "/clock": (200, "text/plain", f"second {int(time.monotonic() - STARTED)}"),
            "/pid": (200, "text/plain", f"process {os.getpid()}"),
            "/echo": (200, "text/plain", str(self.headers)),
            "/private": (200 if self.headers.get("Authorization") == ACCOUNT else 401, "text/plain", ACCOUNT),
            "/cookie": (200, "text/plain", f"had {self.headers.get('Cookie')}"),
            "/openapi.json": (200, "application/json", json.dumps(OPENAPI)),
            "/broken.json": (200, "application/json", json.dumps(BROKEN_API)),
            "/swagger.json": (200, "application/json", '{"swagger": "2.0"}'),
            "/v1/pets": (200, "application/json", json.dumps([self.path])),
            "/v1/pets/7": (200, "application/json", "7"),
        }
        if path == "/moved":
            self.answer(301, "text/plain", "", Location="/target")
        elif path.startswith("/warming-"):  # with a status until it is warm
            self.answer(int(path[9:]) if time.monotonic() - STARTED < 0.5 else 200, "text/plain", "warm")
        elif path == "/unavailable":
            self.answer(503, "text/plain", "never")
        elif path == "/hang":
            time.sleep(60)
        elif path == "/stream":
            self.stream()
        elif path == "/die-later" and next(COUNT) == 0:
            self.answer(200, "text/plain", "fine")
        elif path.startswith("/die"):
            print("last words", flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        elif path == "/close":
            self.close_connection = True
            self.answer(200, "text/plain", "closed", Connection="close")
        else:
            self.answer(*pages.get(path, (404, "text/plain", "not found")))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        print(f"{self.command} {self.path} {body}", flush=True)
        if self.path == "/away":
            self.answer(
                307, "text/plain", str(self.headers), Location=f"//127.0.0.2:8080/?{self.headers['Authorization']}"
            )
        elif self.path == "/no-http":
            self.wfile.write(f"HTTP/1.1 {self.headers['Authorization']}\r\n\r\n".encode())
        else:
            told = {"id": next(COUNT), "type": self.headers["Content-Type"]}
            self.answer(201, "application/json", json.dumps(told))

    do_PUT = do_POST

    def answer(self, status: int, kind: str, text: str, **headers: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if self.path == "/cookie":
            self.send_header("Set-Cookie", "session=1")
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        while True:
            self.wfile.write(b"data: tick\n\n")
            time.sleep(0.05)

    def log_message(self, *_arguments: object) -> None:
        print(f"{self.command} {self.path}", flush=True)


def http(port: int, delay: float = 0, address: str = "0.0.0.0", certificate: str = "") -> None:
    time.sleep(delay)
    ThreadingHTTPServer.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
    server = ThreadingHTTPServer((address, port), Handler)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()


def api(port: int, status: int, elsewhere: int) -> None:
    class Api(Handler):
        def do_GET(self) -> None:
            self.answer(status if self.path == "/" else elsewhere, "application/json", "{}")

    ThreadingHTTPServer(("127.0.0.1", port), Api).serve_forever()


def other(port: int, greeting: bytes) -> None:
    with socket.create_server(("127.0.0.1", port)) as server:
        kept = []
        while True:
            connection, _ = server.accept()
            kept.append(connection)
            connection.sendall(greeting)
            if greeting:
                connection.close()


def serve(mode: str, port: str, *rest: str) -> None:
    if mode == "http":
        http(int(port), float(rest[0]) if rest else 0, *rest[1:])
    elif mode == "api":
        api(int(port), int(rest[0]), int(rest[-1]))
    elif mode == "https":
        http(int(port), certificate=rest[0])
    else:
        other(int(port), b"-ERR unknown command\r\n" if mode == "greeting" else b"")


if __name__ == "__main__":
    services = " ".join(sys.argv[1:]).split(" + ")
    for service in services[1:]:
        threading.Thread(target=serve, args=service.split(), daemon=True).start()
    serve(*services[0].split())
