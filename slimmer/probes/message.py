"""What an HTTP request says beside its path, in curl's words: ``-X POST -H 'Accept: text/html' -d @login.json``."""

from __future__ import annotations

import base64
import os
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field

_LONG = {
    "-X": "--request",
    "-H": "--header",
    "-d": "--data",
    "--data-binary": "--data",
    "-u": "--user",
}
_ONCE = {"--request": "method", "--data": "body", "--user": "user"}
_FORM = "application/x-www-form-urlencoded"
_READS = ("GET", "HEAD", "OPTIONS")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
_UNTOLD = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_SECRET = ("authorization", "proxy-authorization", "cookie", "x-api-key")
"""Written in a call, all users of the machine could read them."""
_ITS_OWN = ("content-length", "transfer-encoding", "connection")


@dataclass(frozen=True, slots=True)
class Message:
    """The method, header lines and body of a request. What begins with ``@`` is the name of a file that has it: lines
    of headers, a body, or ``NAME:PASSWORD``, which `user` always is."""

    method: str = ""
    headers: tuple[str, ...] = ()
    body: str | None = None
    user: str = ""

    def __str__(self) -> str:
        words = [*(("-X", self.method) if self.method else ())]
        for line in self.headers:
            words += ["-H", line]
        words += [*(("-d", self.body) if self.body is not None else ())]
        words += [*(("-u", self.user) if self.user else ())]
        return shlex.join(words)

    @property
    def verb(self) -> str:
        """The method of the request."""
        return self.method or ("POST" if self.body is not None else "GET")

    @property
    def writes(self) -> bool:
        """Whether the request may change something."""
        return self.verb not in _READS


PLAIN = Message()


@dataclass(frozen=True, slots=True)
class Contents:
    """A message with what its files have. `secrets` are texts that nobody may see."""

    headers: dict[str, str]
    body: bytes | None
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def hidden(self, text: str) -> str:
        """`text` without the secrets."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return text


def parse_message(text: str) -> Message:
    """Read the words behind a probe's place; :raises ValueError: they are none of a request."""
    once: dict[str, str] = {}
    headers = []
    for name, value in _options(shlex.split(text)):
        if name == "--header":
            headers.append(_checked(value) if not value.startswith("@") else _named(value))
        elif _ONCE[name] in once:
            raise ValueError(f"{name} is said twice")
        else:
            once[_ONCE[name]] = value
    message = Message(headers=tuple(headers), **once)
    if message.method and not re.fullmatch("[A-Z]{1,20}", message.method):
        raise ValueError("a method has capital letters only")
    if message.user and not re.fullmatch("@.+", message.user):
        raise ValueError("credentials come from a file; write -u @FILE, with NAME:PASSWORD in it")
    if message.body is not None and message.body.startswith("@"):
        _named(message.body)
    _once(message.headers)
    return message


def _options(words: list[str]) -> Iterator[tuple[str, str]]:
    """The words as pairs of an option's long name and its value: ``-X POST``, ``-XPOST``, ``--request=POST``."""
    position = 0
    while position < len(words):
        word, following = words[position], words[position + 1 : position + 2]
        position += 1
        name, sign, value = word.partition("=") if word.startswith("--") else (word[:2], word[2:], word[2:])
        name = _LONG.get(name, name)
        if name not in {*_ONCE, "--header"}:
            raise ValueError(f"it takes -X, -H, -d and -u, and not {name if word.startswith('-') else 'more words'}")
        if not sign:
            if not following:
                raise ValueError(f"{word} needs a value")
            value, position = following[0], position + 1
        yield name, value


def contents(message: Message) -> Contents:
    """Read the files of a message.

    :raises OSError: one cannot be read.
    :raises ValueError: one has not what it must have; the text does not say what it has.
    """
    body = None if message.body is None else _body(message.body)
    headers = {} if body is None else {"Content-Type": _FORM}
    secrets: list[str] = []
    given = [line for line in message.headers if not line.startswith("@")]
    for path in (line[1:] for line in message.headers if line.startswith("@")):
        lines = [_checked(line, path) for line in _text(path).splitlines() if line.strip()]
        secrets += [_pair(line)[1] for line in lines]
        given += lines
    if message.user:
        account = _text(message.user[1:]).removesuffix("\n").removesuffix("\r")
        if ":" not in account or "\n" in account:
            raise ValueError(f"{message.user[1:]} has not one line NAME:PASSWORD")
        encoded = base64.b64encode(account.encode()).decode()
        secrets += [account, encoded, account.partition(":")[2]]
        given.append(f"Authorization: Basic {encoded}")
    _once(given)
    for name, value in map(_pair, given):
        headers = {other: said for other, said in headers.items() if other.lower() != name.lower()} | {name: value}
    secrets += [word for secret in secrets for word in secret.split()[1:]]  # what follows Bearer
    return Contents(headers, body, tuple(sorted(set(filter(None, secrets)), key=len, reverse=True)))


def _checked(line: str, path: str = "") -> str:
    """A header's line; a secret may be in a file only, whose `path` is given."""
    name, sign, value = line.partition(":")
    if not sign or not _TOKEN.fullmatch(name) or _UNTOLD.search(value):
        raise ValueError(f"{f'a line of {path}' if path else 'what -H says'} is no header; write NAME: VALUE")
    if name.lower() in _ITS_OWN:
        raise ValueError(f"{name} is set by itself")
    if not path and name.lower() in _SECRET:
        raise ValueError(f"{name} comes from a file; write -H @FILE, with {name}: … in it")
    return line


def _named(word: str) -> str:
    if len(word) < 2 or "\0" in word:
        raise ValueError("a file is named behind @")
    return word


def _once(lines: tuple[str, ...] | list[str]) -> None:
    names = [line.partition(":")[0].lower() for line in lines if not line.startswith("@")]
    if double := next((name for name in names if names.count(name) > 1), ""):
        raise ValueError(f"the header {double} is said twice")


def _pair(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name, value.strip()


def _body(text: str) -> bytes:
    return _bytes(text[1:]) if text.startswith("@") else text.encode("utf-8", "surrogateescape")


def _text(path: str) -> str:
    try:
        return _bytes(path).decode()
    except UnicodeDecodeError:
        raise ValueError(f"{path} is no text in UTF-8") from None


def _bytes(path: str) -> bytes:
    if os.path.exists(path) and not os.path.isfile(path):  # a pipe can be read once, and both images are asked
        raise ValueError(f"{path} is not a file")
    with open(path, "rb") as file:
        return file.read()
