#!/usr/bin/env python3
"""XMPP: STARTTLS, then a log-in by SASL PLAIN that is refused."""

import base64
import socket
import ssl

OPEN = b"<stream:stream to='localhost' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
REFUSED = base64.b64encode(b"\0nobody\0wrong")


def read_until(sock: socket.socket, end: bytes) -> bytes:
    received = b""
    while end not in received:
        piece = sock.recv(4096)
        assert piece, received
        received += piece
    return received


with socket.create_connection(("127.0.0.1", 5222), 10) as plain:
    plain.sendall(OPEN)
    read_until(plain, b"</stream:features>")
    plain.sendall(b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
    read_until(plain, b"<proceed")
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with context.wrap_socket(plain, server_hostname="localhost") as sock:
        sock.sendall(OPEN)
        read_until(sock, b"</stream:features>")
        sock.sendall(b"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>" + REFUSED + b"</auth>")
        read_until(sock, b"failure")
