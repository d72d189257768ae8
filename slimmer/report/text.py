"""What comes from an image, as text that a terminal, a page and JSON can take, whatever bytes it is of."""

from __future__ import annotations

import re
from typing import Any

_ESCAPE = re.compile(r"\\(?:\\|x([0-9a-f]{2}))")


def shown(path: bytes) -> str:
    r"""A path as text, from which :func:`path_of` gives the bytes back: what is no printable UTF-8 is written ``\xNN``,
    byte by byte, and a backslash ``\\``."""
    text = path.decode("utf-8", "surrogateescape")
    return text if text.isprintable() and "\\" not in text else "".join(map(_shown_character, text))


def _shown_character(character: str) -> str:
    if character == "\\":
        return "\\\\"
    if character.isprintable():
        return character
    return "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", "surrogateescape"))


def path_of(text: str) -> bytes:
    """The path that :func:`shown` wrote as `text`."""
    pieces, end = [], 0
    for escape in _ESCAPE.finditer(text):
        pieces += [text[end : escape.start()].encode(), bytes.fromhex(escape[1]) if escape[1] else b"\\"]
        end = escape.end()
    return b"".join([*pieces, text[end:].encode()])


def words(text: str) -> str:
    """A text for people, without control characters and halves of surrogate pairs; lines stay lines."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in text)


def plain(value: Any) -> Any:
    """A value for JSON, all of its texts as :func:`words`."""
    if isinstance(value, str):
        return words(value)
    if isinstance(value, dict):
        return {words(key): plain(each) for key, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, list | tuple) else value
