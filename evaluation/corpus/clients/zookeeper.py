#!/usr/bin/env python3
"""A node is made and read."""

from zookeeper_client import GET, Session, text

with Session() as session:
    assert session.create(b"/first", b"value") in (0, -110)
    error, answer = session.ask(GET, text(b"/first") + b"\0")
    assert error == 0 and b"value" in answer, (error, answer)
