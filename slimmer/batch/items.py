"""What a batch is made of: read from a list, a compose file, or manifests of Kubernetes."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from cntr_core.errors import UsageError
from cntr_core.reasons import reason

from . import compose, manifests
from .documents import LARGEST_FILE, documents, files_below, text_of

MOST_ITEMS = 10_000
_YAML = (".yaml", ".yml", ".json")


@dataclass(frozen=True, slots=True)
class Item:
    """One image: the `words` that would follow ``cntr slim``, and `where` they come from."""

    words: tuple[str, ...]
    where: str


def read_items(path: str) -> list[Item]:
    """The items of the file or directory `path`, in its order; ``-`` is a list on stdin. Of items with the same words
    there is one, the first.

    :raises UsageError: it cannot be read, is malformed, or has no image.
    """
    found: dict[tuple[str, ...], Item] = {}
    for item in _read(path):
        found.setdefault(item.words, item)
        if len(found) > MOST_ITEMS:
            raise UsageError(f"{path} has more than {MOST_ITEMS} images", "divide it")
    if not found:
        raise UsageError(f"{path} names no image", "write one a line, or name a compose file or a directory")
    return list(found.values())


def _read(path: str) -> Iterable[Item]:
    if path == "-":
        return _listed(sys.stdin.read(LARGEST_FILE), "stdin")
    if os.path.isdir(path):
        return _of_manifests(files_below(path))
    return _of_yaml(path) if path.endswith(_YAML) else _listed(text_of(path), path)


def _of_yaml(path: str) -> Iterable[Item]:
    content = list(documents(path))
    if any(isinstance(one, dict) and "services" in one and "kind" not in one for one in content):
        return [Item(words, f"{path}: {where}") for words, where in compose.services(content[0], path)]
    return _in_manifests(content, path)


def _of_manifests(paths: Iterable[str]) -> Iterator[Item]:
    for path in paths:
        yield from _in_manifests(documents(path), path)


def _in_manifests(content: Iterable[Any], path: str) -> Iterator[Item]:
    for document in content:
        for words, where in manifests.containers(document):
            yield Item(words, f"{path}: {where}")


def _listed(text: str, path: str) -> Iterator[Item]:
    """The items of a list: the words of a line are split as a shell does, ``#`` begins a comment."""
    for number, line in enumerate(text.splitlines(), 1):
        try:
            words = shlex.split(line, comments=True)
        except ValueError as error:
            raise UsageError(f"{path}:{number}: {reason(error)}", "quote as in a shell") from None
        if words:
            if words[0].startswith("-"):
                raise UsageError(f"{path}:{number}: {words[0]} is not an image", "begin the line with the image")
            yield Item(tuple(words), f"{path}:{number}")
