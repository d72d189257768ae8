"""``--env-file``: variables from a file, as docker reads it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from ..errors import UsageError

_BLANK = " \t"


def variables(files: Sequence[str], words: Sequence[str]) -> list[str]:
    """What ``--env-file`` and then ``--env`` say, each as ``NAME=VALUE``, or ``NAME`` for the caller's own.

    :raises UsageError: a file cannot be read, or a line or word is no variable.
    """
    return [*(line for path in files for line in read(path)), *checked(words)]


def checked(words: Sequence[str]) -> Sequence[str]:
    """`words` of ``--env``; :raises UsageError: one has no name."""
    for each in words:
        if not each.partition("=")[0]:
            raise UsageError(f"--env: '{each}' is not a variable", "write --env NAME=VALUE")
    return words


def assigned(words: Sequence[str]) -> tuple[str, ...]:
    """`words` of :func:`variables` with the caller's own values; a name that it does not have stays without one."""
    return tuple(f"{each}={os.environ[each]}" if "=" not in each and each in os.environ else each for each in words)


def read(path: str) -> list[str]:
    """The variables of a file: one a line, ``NAME=VALUE`` or ``NAME``; lines that are empty or begin with # are none.

    Values are taken as they are, with quotes and blanks.

    :raises UsageError: it cannot be read, or a line is no variable.
    """
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            text = file.read()
    except OSError as error:
        raise UsageError(
            f"--env-file: {path} cannot be read: {error.strerror}", "give a file with NAME=VALUE lines"
        ) from None
    except UnicodeDecodeError:
        raise UsageError(f"--env-file: {path} is not UTF-8", "give a text file with NAME=VALUE lines") from None
    return list(_variables(path, text))


def _variables(path: str, text: str) -> Iterator[str]:
    for number, line in enumerate(text.split("\n"), 1):
        line = line.removesuffix("\r").lstrip(_BLANK)
        if not line or line.startswith("#"):
            continue
        name = line.partition("=")[0]
        if not name or any(letter.isspace() for letter in name) or "\0" in line:
            raise UsageError(
                f"--env-file: line {number} of {path} is not a variable", "write NAME=VALUE, without blanks in the name"
            )
        yield line
