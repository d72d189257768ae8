"""What to do with a container, as the user writes it: ``http:8080/health``, ``exec:redis-cli ping`` …

Each is a frozen value whose ``str()`` is read back as the same value. The syntax is told in docs/reference/probes.md.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass

from cntr_core.errors import UsageError
from cntr_core.reasons import reason

from .message import PLAIN, Message, parse_message

Statuses = tuple[tuple[int, int], ...]
"""Ranges of HTTP statuses, both ends included."""

SUCCESS: Statuses = ((200, 399),)
ANSWERED: Statuses = ((200, 499), (501, 501))
"""What a server may say of a page that nobody named: an API has none at its root, or wants a key, or another method."""
MISSING = "/there-is-no-such-page"
"""What no application has, the same in each run: how it answers shows its error page, which a framework loads late."""
MOST_SECONDS = 86_400

_PLACE = r"(?::(?P<port>[0-9]{1,5})?)?(?P<path>/.*)?"
_STATUS = r"[1-5][0-9]{2}(?:-[1-5][0-9]{2})?"
_STATUSES = rf"{_STATUS}(?:,{_STATUS})*"
_ASSERTED = re.compile(rf"(?P<rest>.*)=(?P<statuses>{_STATUSES})")


@dataclass(frozen=True, slots=True)
class Http:
    """One request. No port: the first that answers of the image's own."""

    port: int | None = None
    path: str = "/"
    statuses: Statuses = SUCCESS
    secure: bool = False
    message: Message = PLAIN

    def __str__(self) -> str:
        text = ("https" if self.secure else "http") + _place(self.port, self.path)
        if self.statuses != SUCCESS or _is_ambiguous(self.path) or _ASSERTED.fullmatch(text):
            text += "=" + ",".join(f"{low}" if low == high else f"{low}-{high}" for low, high in self.statuses)
        return text if self.message == PLAIN else f"{text} {self.message}"


@dataclass(frozen=True, slots=True)
class Tcp:
    """One connection."""

    port: int

    def __str__(self) -> str:
        return f"tcp:{self.port}"


@dataclass(frozen=True, slots=True)
class Exec:
    """A command in the container, and the exit code that it must have."""

    command: tuple[str, ...]
    code: int = 0

    def __str__(self) -> str:
        return f"exec{_code(self.code)}:{shlex.join(self.command)}"


@dataclass(frozen=True, slots=True)
class Script:
    """A program of the host, run in the container's network."""

    file: str

    def __str__(self) -> str:
        return f"script:{self.file}"


@dataclass(frozen=True, slots=True)
class Crawl:
    """The pages that can be reached by links from one."""

    port: int | None = None
    path: str = "/"

    def __str__(self) -> str:
        return "crawl" + _place(self.port, self.path)


@dataclass(frozen=True, slots=True)
class OpenApi:
    """The operations that the application's own OpenAPI document tells of; `write`: not only GET and HEAD."""

    port: int | None
    path: str
    write: bool = False

    def __str__(self) -> str:
        return f"openapi{'+write' if self.write else ''}:{self.port or ''}{self.path}"


@dataclass(frozen=True, slots=True)
class Ports:
    """Whatever listens: a crawl where HTTP is spoken, a connection elsewhere. No ports: the image's own."""

    ports: tuple[int, ...] = ()

    def __str__(self) -> str:
        return ":".join(filter(None, ("ports", ",".join(map(str, self.ports)))))


@dataclass(frozen=True, slots=True)
class Quiet:
    """Wait until no file was accessed for so long, or the container ended with code 0."""

    seconds: float

    def __str__(self) -> str:
        return f"quiet:{f'{self.seconds:.3f}'.rstrip('0').rstrip('.')}s"


@dataclass(frozen=True, slots=True)
class Manual:
    """Wait for the user."""

    def __str__(self) -> str:
        return "manual"


@dataclass(frozen=True, slots=True)
class Exit:
    """Wait until the container ends by itself, with this code."""

    code: int = 0

    def __str__(self) -> str:
        return f"exit{_code(self.code)}"


Probe = Http | Tcp | Exec | Script | Crawl | OpenApi | Ports | Quiet | Manual | Exit


@dataclass(frozen=True, slots=True)
class _Kind:
    """One kind of probe: how it is written, an example, and how its parts become a value; LookupError, ValueError:
    they cannot."""

    pattern: re.Pattern[str]
    syntax: str
    make: Callable[[re.Match[str]], Probe]


def parse(text: str) -> Probe:
    """Read one probe.

    :raises UsageError: it is none; the hint shows how it is written.
    """
    name = re.split("[:/=+ ]", text, maxsplit=1)[0]
    kind = KINDS.get(name)
    if kind is None:
        raise UsageError(f"{text!r} is not a probe", f"write one of: {', '.join(KINDS)}")
    match = kind.pattern.fullmatch(text)
    told = re.split(" +-", text, maxsplit=1)[0] if kind.make is _http else text  # what follows may be secret
    if match is None:
        raise UsageError(f"{told!r} is not a valid {name} probe", f"write {kind.syntax}")
    try:
        return kind.make(match)
    except ValueError as error:
        raise UsageError(f"{told!r} is not a valid {name} probe: {reason(error)}", f"write {kind.syntax}") from error


def _http(match: re.Match[str]) -> Http:
    rest, statuses = match["rest"], SUCCESS
    message = parse_message(match["message"] or "")
    asserted = _ASSERTED.fullmatch(rest)
    if asserted:
        rest, statuses = asserted["rest"], _ranges(asserted["statuses"])
    place = re.fullmatch(_PLACE, rest)
    if place is None:
        raise ValueError("it does not have the form of a port, path or status")
    if not asserted and _is_ambiguous(place["path"] or ""):
        raise ValueError("what follows = is no status from 100 to 599; write = in a path as %3D")
    return Http(_optional_port(place), _path(place), statuses, match["scheme"] == "https", message)


def _is_ambiguous(path: str) -> bool:
    """Whether there is a = that could be meant to begin a status; in a query it is usual."""
    return "=" in path.partition("?")[0]


def _ranges(text: str) -> Statuses:
    ranges = []
    for word in text.split(","):
        low, _, high = word.partition("-")
        ranges.append((int(low), int(high or low)))
        if ranges[-1][0] > ranges[-1][1]:
            raise ValueError(f"{word} is an empty range")
    return tuple(ranges)


def _exec(match: re.Match[str]) -> Exec:
    command = tuple(shlex.split(match["command"]))
    if not command or not command[0] or "\0" in match["command"]:
        raise ValueError("there is no command")
    return Exec(command, _exit_code(match))


def _ports(match: re.Match[str]) -> Ports:
    ports = tuple(map(_port, (match["ports"] or "").split(","))) if match["ports"] else ()
    return Ports(tuple(dict.fromkeys(ports)))


def _quiet(match: re.Match[str]) -> Quiet:
    seconds = float(match["seconds"])
    if not 0 < seconds <= MOST_SECONDS:
        raise ValueError(f"the time must be more than 0 s, and at most {MOST_SECONDS} s")
    return Quiet(seconds)


def _port(text: str) -> int:
    if not 0 < int(text) < 1 << 16:
        raise ValueError(f"{text} is not a port")
    return int(text)


def _optional_port(match: re.Match[str]) -> int | None:
    return _port(match["port"]) if match["port"] else None


def _path(match: re.Match[str]) -> str:
    path = match["path"] or "/"
    if path.startswith("//"):
        raise ValueError("only the container can be reached; begin with the port or the path")
    if not path.isprintable() or " " in path:
        raise ValueError("write blanks and control characters in a path as %20")
    return path


def _path_alone(match: re.Match[str]) -> str:
    """The path of a probe that takes no status."""
    path = _path(match)
    if _is_ambiguous(path):
        raise ValueError("it takes no =STATUS; write = in a path as %3D")
    return path


def _exit_code(match: re.Match[str]) -> int:
    code = int(match["code"] or 0)
    if code > 255:
        raise ValueError("an exit code is at most 255")
    return code


def _place(port: int | None, path: str) -> str:
    return (f":{port}" if port else "") + (path if path != "/" else "")


def _code(code: int) -> str:
    return f"={code}" if code else ""


_CODE = "(?:=(?P<code>[0-9]{1,3}))?"
_HTTP = re.compile(r"(?P<scheme>https?)(?P<rest>(?:[:/=].*?)?)(?: +(?P<message>-.*))?", re.DOTALL)
_HTTP_SYNTAX = "[:PORT][/PATH][=STATUS,…] [-X METHOD] [-H HEADER] [-d BODY] [-u @FILE]"
KINDS = {
    "http": _Kind(_HTTP, f"http{_HTTP_SYNTAX}, for example http:8080/missing=404", _http),
    "https": _Kind(_HTTP, f"https{_HTTP_SYNTAX}, for example https:8443/", _http),
    "tcp": _Kind(re.compile("tcp:([0-9]{1,5})"), "tcp:PORT, for example tcp:6379", lambda m: Tcp(_port(m[1]))),
    "exec": _Kind(
        re.compile(f"exec{_CODE}:(?P<command>.*)", re.DOTALL),
        'exec[=CODE]:COMMAND, for example "exec:redis-cli ping"',
        _exec,
    ),
    "script": _Kind(
        re.compile(r"script:([^\0]+)"), "script:FILE, for example script:./smoke.sh", lambda m: Script(m[1])
    ),
    "crawl": _Kind(
        re.compile(f"crawl{_PLACE}"),
        "crawl[:PORT][/PATH], for example crawl:8080/docs/",
        lambda m: Crawl(_optional_port(m), _path_alone(m)),
    ),
    "openapi": _Kind(
        re.compile(r"openapi(?P<write>\+write)?:(?P<port>[0-9]{1,5})?(?P<path>/.+)"),
        "openapi[+write]:[PORT]/PATH, for example openapi:8080/openapi.json",
        lambda m: OpenApi(_optional_port(m), _path_alone(m), bool(m["write"])),
    ),
    "ports": _Kind(
        re.compile("ports(?::(?P<ports>[0-9]{1,5}(?:,[0-9]{1,5})*))?"),
        "ports[:PORT,…], for example ports:80,443",
        _ports,
    ),
    "quiet": _Kind(
        re.compile(r"quiet:(?P<seconds>[0-9]{1,5}(?:\.[0-9]{1,3})?)s"), "quiet:SECONDSs, for example quiet:10s", _quiet
    ),
    "manual": _Kind(re.compile("manual"), "manual, without anything more", lambda _: Manual()),
    "exit": _Kind(re.compile(f"exit{_CODE}"), "exit[=CODE], for example exit", lambda m: Exit(_exit_code(m))),
}
