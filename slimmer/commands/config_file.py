"""``cntr slim --config FILE``: options from a file, as the words of a call."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Annotated, Any

import typer

from cntr_core.cli.words import EndsAtCommand, marked, takes_next
from cntr_core.errors import UsageError
from cntr_core.reasons import reason

OPTION = "--config"
_NOT_HERE = (OPTION, "--help", "--batch", "--index")
"""They say what a call is, and not how an image is slimmed."""
_REQUEST = {"probe", "method", "headers", "headers-file", "body", "body-file", "user-file"}
"""What a probe may say that is a mapping."""
_HINT = "write one option on each line: name: value, or a list of values"

Config = Annotated[
    str | None,
    typer.Option(OPTION, metavar="FILE", help="Read options from this YAML or TOML file, by their names."),
]


class SlimCommand(EndsAtCommand):
    """Adds the words of ``--config``, and notes those of the call for ``--batch``, which hands them on."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Called by typer with the words of the call."""
        ctx.meta.setdefault("words", tuple(args))  # the first call's: those of a batch are parsed below it
        if not ctx.resilient_parsing:  # which completion does
            valued = self._with_value()
            flags = {name for each in self.params for name in each.opts} - valued
            args = with_config(marked(args, valued), valued, flags)
        return super().parse_args(ctx, args)


def with_config(words: Sequence[str], valued: Collection[str], flags: Collection[str]) -> list[str]:
    """`words`, whose options end at ``--``, behind the words of each file that ``--config`` among them names: of an
    option with one value, the last counts. `valued` are the options that take a value, `flags` the others.

    :raises UsageError: a file cannot be read, or has what is no option.
    """
    found: list[str] = []
    position = 0
    while position < len(words) and words[position] != "--":
        word = words[position]
        if word.startswith(f"{OPTION}="):
            found += _words(word.partition("=")[2], valued, flags)
        elif word == OPTION and position + 1 < len(words):
            found += _words(words[position + 1], valued, flags)
        position += 1 + (word.startswith("-") and takes_next(word, valued))
    return [*found, *words]


def _words(path: str, valued: Collection[str], flags: Collection[str]) -> Iterator[str]:
    for key, value in _mapping(path).items():
        option = f"--{key}"
        if option not in (*valued, *flags) or option in _NOT_HERE:
            raise UsageError(f"{path}: '{key}' is no option that a file may have", _nearest(key, (*valued, *flags)))
        yield from _flag(path, option, value) if option in flags else _values(path, option, value)


def _mapping(path: str) -> Mapping[str, Any]:
    """The file's one mapping: TOML where its name ends so, else YAML, whose values stay text."""
    try:
        found = _toml(path) if path.endswith(".toml") else _yaml(path)
    except UsageError as error:
        raise UsageError(error.message, _HINT) from None
    if len(found) > 1 or not all(isinstance(one, dict) for one in found):
        raise UsageError(f"{path} has no options by their names", _HINT)
    return found[0] if found else {}


def _toml(path: str) -> list[Any]:
    import tomllib

    from ..batch.documents import text_of

    try:
        return [tomllib.loads(text_of(path))]
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"{path} is no TOML: {reason(error)}") from None


def _yaml(path: str) -> list[Any]:
    from ..batch.documents import documents

    return [document for document in documents(path) if document is not None]


def _flag(path: str, option: str, value: Any) -> Iterator[str]:
    said = str(value).lower()
    if said not in ("true", "false"):
        raise UsageError(f"{path}: '{option[2:]}' is true or false, not '{value}'", "leave it out for false")
    if said == "true":
        yield option


def _values(path: str, option: str, value: Any) -> Iterator[str]:
    for one in value if isinstance(value, list) else [value]:
        if option == "--probe" and isinstance(one, dict):
            one = _request(path, one)
        if isinstance(one, bool) or not isinstance(one, str | int | float):
            raise UsageError(f"{path}: '{option[2:]}' takes a text or a list of texts", _HINT)
        yield f"{option}={one}"


def _request(path: str, said: Mapping[str, Any]) -> str:
    """A probe that is written as a mapping, in one line: what is long about a request."""
    from ..probes.message import Message

    headers = said.get("headers", {})
    if not {"probe"} <= set(said) <= _REQUEST or not isinstance(headers, dict):
        raise UsageError(f"{path}: 'probe' is a text, or has probe and some of {', '.join(sorted(_REQUEST))}", _HINT)
    texts = {key: str(value) for key, value in said.items()}
    lines = [f"{name}: {value}" for name, value in headers.items()]
    lines += [f"@{texts['headers-file']}"] if "headers-file" in texts else []
    body = f"@{texts['body-file']}" if "body-file" in texts else texts.get("body")
    user = f"@{texts['user-file']}" if "user-file" in texts else ""
    return f"{texts['probe']} {Message(texts.get('method', ''), tuple(lines), body, user)}".rstrip(" ")


def _nearest(key: str, options: Collection[str]) -> str:
    near = difflib.get_close_matches(f"--{key}", [one for one in options if one.startswith("--")], 1)
    return f"did you mean {near[0][2:]}" if near else "each name is that of an option; see cntr slim --help"
