"""Values in files, a line of JSON for each."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from typing import Any, Protocol, TypeVar

import msgspec

T = TypeVar("T")


class Keyed(Protocol):
    """What has something that tells it from the others of a file."""

    @property
    def key(self) -> object: ...


K = TypeVar("K", bound=Keyed)


def read_lines(path: str, kind: type[T]) -> list[T]:
    """The values of a file, in its order; none where there is no file.

    :raises msgspec.ValidationError: a line is no such value.
    """
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as file:
        return [msgspec.json.decode(line, type=kind) for line in file]


def write_lines(path: str, values: Iterable[Any]) -> None:
    """Write a file at once: whoever is interrupted leaves the old one."""
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    unfinished = f"{path}.{os.getpid()}"
    with open(unfinished, "w", encoding="utf-8") as file:
        file.writelines(map(to_line, values))
    os.replace(unfinished, path)


def replaced(values: Iterable[K], new: K) -> list[K]:
    """`values`, and `new` behind them in place of what has its key."""
    return [*(value for value in values if value.key != new.key), new]


def to_line(value: Any) -> str:
    """The value as a line."""
    return json.dumps(msgspec.to_builtins(value), ensure_ascii=False) + "\n"
