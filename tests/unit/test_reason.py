"""Broken connections are told in words of people, not of Python's libraries."""

from __future__ import annotations

import http.client
import socket
import threading

import httpx
import pytest

from cntr_core.errors import reason


def _cut_answer() -> int:
    """A server that ends its answer before its time; gives the port."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with server, server.accept()[0] as peer:
            peer.recv(65536)
            peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")

    threading.Thread(target=serve, daemon=True).start()
    return int(server.getsockname()[1])


def test_an_answer_that_ends_early_is_called_so() -> None:
    connection = http.client.HTTPConnection("127.0.0.1", _cut_answer())
    connection.request("GET", "/")
    with pytest.raises(http.client.IncompleteRead) as caught:
        connection.getresponse().read()
    assert reason(caught.value) == "the answer ended early"
    with pytest.raises(httpx.RemoteProtocolError) as refused:
        httpx.get(f"http://127.0.0.1:{_cut_answer()}/")
    assert reason(refused.value) == "the answer ended early"
