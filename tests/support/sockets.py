"""Servers of our own at unix sockets, each in a child process.

The socket listens before the child is forked: one that is only bound already has its name, and refuses who connects.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler
from socketserver import UnixStreamServer

from tests.support.children import child


@contextmanager
def server_at(path: str, serve: Callable[[socket.socket], object]) -> Iterator[None]:
    """`serve` runs in a child with a socket that listens at `path`. The path is left behind."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        with child(lambda: serve(listener)):
            listener.close()
            yield


def chattering(path: str, said: bytes | None) -> AbstractContextManager[None]:
    """A server that says `said` to everybody and hangs up, whatever it was asked; or nothing ever, for None."""

    def talk(listener: socket.socket) -> None:
        held = []
        while True:
            connection, _ = listener.accept()
            if said is not None:
                connection.sendall(said)
                connection.close()
            else:
                held.append(connection)

    return server_at(path, talk)


def serving_http(path: str, answer: Callable[[str], tuple[int, bytes]]) -> AbstractContextManager[None]:
    """A server that has for the path of a GET request, parameters included, the status and body of `answer`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = answer(self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    def serve(listener: socket.socket) -> None:
        with UnixStreamServer(path, Handler, bind_and_activate=False) as server:
            server.socket.close()
            server.socket = listener
            server.serve_forever()

    return server_at(path, serve)
