"""Recorded and hand-written output of other systems: tests/fixtures/, see its README.md."""

from __future__ import annotations

import os

_DIRECTORY = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "fixtures")


def fixture(name: str) -> bytes:
    """The content of a fixture, without the comment that names its source."""
    with open(os.path.join(_DIRECTORY, name), "rb") as file:
        lines = file.read().splitlines(keepends=True)
    if not lines or not lines[0].startswith((b"# Recorded: ", b"# Written: ")):
        raise ValueError(f"the fixture {name} does not name its source")
    return b"".join(line for line in lines if not line.startswith(b"# "))
