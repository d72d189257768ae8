#!/usr/bin/env python3
"""Nodes that end with the session, and that have a number; children, a changed value, a node that is not there."""

import struct

from zookeeper_client import CHILDREN, DELETE, EXISTS, SET, Session, text

EPHEMERAL, SEQUENCE = 1, 2

with Session() as session:
    assert session.create(b"/parent", b"") in (0, -110)
    assert session.create(b"/parent/gone", b"", EPHEMERAL) == 0
    assert session.create(b"/parent/n", b"", SEQUENCE) == 0
    error, answer = session.ask(CHILDREN, text(b"/parent") + b"\0")
    assert error == 0 and b"gone" in answer, (error, answer)
    assert session.ask(SET, text(b"/parent") + text(b"new") + struct.pack(">i", -1))[0] == 0
    assert session.ask(EXISTS, text(b"/absent") + b"\0")[0] == -101
    assert session.ask(DELETE, text(b"/parent/gone") + struct.pack(">i", -1))[0] == 0
