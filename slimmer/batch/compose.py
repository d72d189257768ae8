"""The services of a compose file (https://compose-spec.io), as words for ``cntr slim``."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from cntr_core.errors import UsageError
from cntr_core.reasons import reason

from .documents import text_of

OPTIONS = "x-cntr"
"""The extension of a service with options for ``cntr slim``."""

# compose-spec, "Interpolation": $$, $NAME, ${NAME}, and ${NAME} with -, :-, ?, :?, +, :+ and a word.
_VARIABLE = re.compile(
    r"\$(?:(?P<dollar>\$)|(?P<plain>[A-Za-z_]\w*)|\{(?P<name>[A-Za-z_]\w*)(?:(?P<how>:?[-?+])(?P<word>[^}]*))?\})"
)
_OPTIONS = {"user": "--user", "working_dir": "--workdir"}


def services(document: Any, path: str) -> Iterator[tuple[tuple[str, ...], str]]:
    """The words for each service that has an image, and the service's name.

    :raises UsageError: what is needed of it has another form than a compose file's, or a variable is missing.
    """
    known = _variables(path)
    found = document.get("services") if isinstance(document, dict) else None
    for name, service in found.items() if isinstance(found, dict) else ():
        where = f"{path}: service {name}"
        if isinstance(service, dict) and service.get("image") is not None:
            yield _words(_interpolated(service, known, where), where), f"service {name}"


def _words(service: Mapping[str, Any], where: str) -> tuple[str, ...]:
    entrypoint = _split(service.get("entrypoint"), f"{where}: entrypoint")
    command = [*entrypoint[1:], *_split(service.get("command"), f"{where}: command")]
    return (
        *_split(service.get(OPTIONS), f"{where}: {OPTIONS}"),
        *(f"--env={one}" for one in _environment(service.get("environment"), where)),
        *(f"{option}={service[key]}" for key, option in _OPTIONS.items() if isinstance(service.get(key), str)),
        *(f"--entrypoint={word}" for word in entrypoint[:1]),
        _image(service["image"], where),
        *(("--", *command) if command else ()),  # its first word may look like an option
    )


def _image(image: Any, where: str) -> str:
    if not isinstance(image, str) or not image or image.startswith("-"):
        raise UsageError(f"{where}: image is not a name", "write NAME:TAG")
    return image


def _split(value: Any, where: str) -> list[str]:
    """A command as compose takes it: a list of words, or a line that is split as a shell does."""
    if value is None:
        return []
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return value
    if isinstance(value, str):
        try:
            return shlex.split(value)
        except ValueError as error:
            raise UsageError(f"{where}: {reason(error)}", "quote as in a shell") from None
    raise UsageError(f"{where} is neither a line nor a list of words", "correct the file")


def _environment(value: Any, where: str) -> list[str]:
    """``NAME=VALUE`` for each variable; one without a value is the caller's own, or none."""
    pairs = [(one.partition("=")[0], one.partition("=")[2] if "=" in one else None) for one in _list(value)]
    pairs = list(value.items()) if isinstance(value, dict) else pairs
    given = ((name, os.environ.get(name) if text is None else text) for name, text in pairs)
    if not all(isinstance(name, str) and isinstance(text, str | None) for name, text in pairs):
        raise UsageError(f"{where}: environment has values that are no text", "write NAME: VALUE")
    return [f"{name}={text}" for name, text in given if text is not None]


def _list(value: Any) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _variables(path: str) -> Mapping[str, str]:
    """The caller's environment, and below it the file ``.env`` beside the compose file."""
    beside = os.path.join(os.path.dirname(path), ".env")
    lines = text_of(beside).splitlines() if os.path.isfile(beside) else []
    pairs = (line.strip().removeprefix("export ").partition("=") for line in lines if not line.lstrip().startswith("#"))
    return {**{name.strip(): _unquoted(text.strip()) for name, sign, text in pairs if sign}, **os.environ}


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" else text


def _interpolated(value: Any, known: Mapping[str, str], where: str) -> Any:
    """`value` with all variables in its text replaced."""
    if isinstance(value, str):
        return _VARIABLE.sub(lambda match: _replaced(match, known, where), value)
    if isinstance(value, list):
        return [_interpolated(one, known, where) for one in value]
    if isinstance(value, dict):
        return {key: _interpolated(one, known, where) for key, one in value.items()}
    return value


def _replaced(match: re.Match[str], known: Mapping[str, str], where: str) -> str:
    if match["dollar"]:
        return "$"
    name, how, word = match["plain"] or match["name"], match["how"] or "", match["word"] or ""
    is_set = name in known and (bool(known[name]) or not how.startswith(":"))
    if how.endswith("+"):
        return word if is_set else ""
    if how.endswith("?") and not is_set:
        raise UsageError(f"{where}: {name} is not set: {word or 'it is required'}", f"set {name}, or write it to .env")
    return known[name] if is_set else word
