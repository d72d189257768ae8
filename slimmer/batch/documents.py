"""YAML and lists that others wrote, with bounds: a few lines of YAML can mean gigabytes."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any

import yaml

from cntr_core.errors import UsageError
from cntr_core.reasons import reason

LARGEST_FILE = 4 << 20
"""Bytes of a file with images: the limit of Kubernetes for a whole object is 1.5 MiB."""
_MOST_NODES = 200_000
"""Values of a document, where an alias counts as all that it repeats."""
_MOST_DEPTH = 100
_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml is not everywhere


_KEPT = ("tag:yaml.org,2002:merge", "tag:yaml.org,2002:null")


def _plain(resolvers: Any) -> dict[str, list[Any]]:
    return {first: [pair for pair in pairs if pair[0] in _KEPT] for first, pairs in resolvers.items()}


class _TextLoader(_Base):  # type: ignore[misc]  # it has no types
    """YAML whose plain values stay the text that they are: 0644 is no number, and "no" no falsehood. Merges and nulls
    are what they are elsewhere."""

    yaml_implicit_resolvers = _plain(_Base.yaml_implicit_resolvers)


def text_of(path: str) -> str:
    """The text of the file with images; :raises UsageError: it cannot be read, is too large, or no text."""
    try:
        with open(path, "rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", "name a list of images") from None
    if len(content) > LARGEST_FILE:
        raise UsageError(f"{path} has more than {LARGEST_FILE} bytes", "divide it")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not UTF-8 text", "name a list of images") from None


def documents(path: str) -> Iterator[Any]:
    """The documents of the YAML file (or JSON, which is YAML): mappings, lists, text and None.

    :raises UsageError: it cannot be read, or means too much.
    """
    loader = _TextLoader(text_of(path))
    try:
        while loader.check_node():
            node = loader.get_node()
            _size(node, {}, 0)
            yield loader.construct_document(node)
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise UsageError(f"{path} cannot be understood: {_reason(error)}", "correct it, or leave it out") from None
    finally:
        loader.dispose()


def _size(node: Any, known: dict[int, int], depth: int) -> int:
    """How many values `node` means, with all that its aliases repeat.

    :raises ValueError: too many, or one that holds itself.
    """
    if depth > _MOST_DEPTH:
        raise ValueError("it is nested too deeply")
    if id(node) not in known:
        known[id(node)] = _MOST_NODES + 1  # until it is known: whoever meets it below itself has met a circle
        pairs = isinstance(node, yaml.MappingNode)
        inner = (part for pair in node.value for part in pair) if pairs else node.value
        parts = () if isinstance(node, yaml.ScalarNode) else inner
        known[id(node)] = 1 + sum(_size(part, known, depth + 1) for part in parts)
    if known[id(node)] > _MOST_NODES:
        raise ValueError(f"its aliases mean more than {_MOST_NODES} values")
    return known[id(node)]


def _reason(error: Exception) -> str:
    """One line: where, and what."""
    mark = getattr(error, "problem_mark", None)
    place = f"line {mark.line + 1}: " if mark is not None else ""
    said = getattr(error, "problem", None) or getattr(error, "reason", None) or reason(error)
    return place + re.sub(r"\s+", " ", str(said))


def files_below(directory: str) -> list[str]:
    """The YAML and JSON files below `directory`, hidden ones aside; :raises UsageError: it cannot be listed."""

    def refuse(error: OSError) -> None:
        raise UsageError(f"{error.filename} cannot be listed: {error.strerror}", "name another directory") from None

    found = []
    for place, folders, names in os.walk(directory, onerror=refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        wanted = (name for name in sorted(names) if not name.startswith("."))
        found += [os.path.join(place, name) for name in wanted if name.endswith((".yaml", ".yml", ".json"))]
    return found
