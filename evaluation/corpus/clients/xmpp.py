#!/usr/bin/env python3
"""XMPP: the beginning of a stream, and what the server offers."""

import socket

OPEN = b"<stream:stream to='localhost' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"

with socket.create_connection(("127.0.0.1", 5222), 10) as sock:
    sock.sendall(b"<?xml version='1.0'?>" + OPEN)
    received = b""
    while b"</stream:features>" not in received:
        piece = sock.recv(4096)
        assert piece, received
        received += piece
    assert b"mechanism" in received or b"starttls" in received, received
