"""Why something failed, in words of people; libraries use Python's: ``KeyError: 'a'``, ``IncompleteRead(3 …``."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

_WRONG_FORM = "something in it has another form than it should"
_EARLY = "the answer ended early"
_DAMAGED = "a compressed block is damaged"
_PYTHONS = re.compile(
    r"invalid literal|could not convert|not enough values|too many values|cannot convert|embedded null|"
    r"unhashable|update sequence|object is not|not in list|out of range"
)
"""What a ValueError of Python's own says; those of ours are phrases for people."""

_SHLEX = {"No closing quotation": "a quote is not closed", "No escaped character": "it ends with a backslash"}


def reason(error: BaseException) -> str:
    """Why, as a phrase, with the place where there is one: a line and column, the name of a key, a file."""
    if strerror := getattr(error, "strerror", None):
        return _of_system(str(strerror), getattr(error, "filename", None))
    for kind in type(error).__mro__:  # by name, since most of the libraries are not imported
        if tell := _BY_KIND.get(kind.__name__):
            return tell(error)
    return "no answer in time" if "Timeout" in type(error).__name__ else _text(error)


def json_place(error: json.JSONDecodeError) -> str:
    """Where a text stops being JSON."""
    what = "it ends early" if error.pos >= len(error.doc.rstrip()) else "unexpected text"
    return f"{what} at line {error.lineno}, column {error.colno}"


def _of_system(strerror: str, path: object) -> str:
    name = path.decode(errors="backslashreplace") if isinstance(path, bytes) else path
    return f"{strerror}: {name}" if isinstance(name, str) and name else _of_openssl(strerror)


def _of_openssl(text: str) -> str:
    """Without the name of the constant, and the line of Python's source."""
    return re.sub(r" \(_ssl\.c:\d+\)$", "", re.sub(r"^\[[A-Z]+: [A-Z_0-9]+\] ", "", text))


def _text(error: BaseException) -> str:
    return re.sub(r"^\[Errno -?\d+\] ", "", _of_openssl(str(error))) or "the connection was closed"


def _of_value(error: BaseException) -> str:
    text = str(error)
    if text in _SHLEX:
        return _SHLEX[text]
    return _WRONG_FORM if not text or _PYTHONS.search(text) else text


def _of_unicode(error: BaseException) -> str:
    return f"byte {error.start + 1} is no text" if isinstance(error, UnicodeDecodeError) else "it is no valid text"


def _of_key(error: BaseException) -> str:
    return f"{error.args[0]!r} is missing" if error.args else "something is missing"


def _of_type(error: BaseException) -> str:
    """Names of a document may be those of a function's parameters."""
    if unknown := re.search(r"unexpected keyword argument ('[^']*')", str(error)):
        return f"{unknown[1]} is unknown"
    missing = re.search(r"missing \d+ required [a-z -]*arguments?: ('[^']*')", str(error))
    return f"{missing[1]} is missing" if missing else _WRONG_FORM


def _of_http(error: BaseException) -> str:
    return (
        _EARLY if re.search(r"closed|disconnected|incomplete|broken|aborted", str(error).lower()) else "it is no HTTP"
    )


def _of_msgspec(error: BaseException) -> str:
    """``Expected `int`, got `str` - at `$.files[0].path` ``, ``JSON is malformed: … (byte 5)``."""
    text = str(error)
    place = re.search(r"at `\$\.?([^`]*)`", text)
    where = f" in {place[1]}" if place and place[1] else ""
    if field := re.search(r"missing required field `([^`]*)`", text):
        return f"'{field[1]}' is missing{where}"
    if place:
        return f"{place[1] or 'it'} has another form than it should"
    byte = re.search(r"\(byte (\d+)\)", text)
    return f"unexpected text at byte {int(byte[1]) + 1}" if byte else "it ends early"


def _said(words: str) -> Callable[[BaseException], str]:
    return lambda _: words


_BY_KIND: dict[str, Callable[[BaseException], str]] = {
    "JSONDecodeError": lambda e: json_place(e) if isinstance(e, json.JSONDecodeError) else _text(e),
    "UnicodeError": _of_unicode,
    "Error": lambda e: "it is no valid base64" if type(e).__module__ == "binascii" else _text(e),
    "error": _said(_DAMAGED),  # zlib's
    "IsalError": _said(_DAMAGED),
    "LZMAError": _said(_DAMAGED),
    "ZstdError": _said(_DAMAGED),
    "EOFError": _said("it ends early"),
    "RecursionError": _said("it is nested too deeply"),
    "KeyError": _of_key,
    "IndexError": _said("something is missing"),
    "TypeError": _of_type,
    "AttributeError": _said(_WRONG_FORM),
    "MsgspecError": _of_msgspec,
    "TOMLDecodeError": lambda e: str(e).lower(),
    "ValueError": _of_value,
    "IncompleteRead": _said(_EARLY),
    "RemoteDisconnected": _said(_EARLY),
    "ChunkedEncodingError": _said(_EARLY),
    "ProtocolError": _of_http,
    "BadStatusLine": _said("it is no HTTP"),
    "DecodingError": _said(_DAMAGED),  # httpx's
    "TimeoutExpired": _said("no answer in time"),
}
