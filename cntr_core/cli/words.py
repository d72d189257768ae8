"""Where the options of cntr end: at the first word of the command that it runs, as docker's do.

``cntr exec web id -u 0`` runs ``id -u 0``. Options may also stand between the container's name and the command.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from typer.core import TyperCommand, TyperOption

from .waiting import DURATION


class EndsAtCommand(TyperCommand):
    """A command whose words are a name and another command's words: our options end where those begin."""

    ends_at_name = False
    """Whether they end already at the name: an image's entrypoint may take words that look like options."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Called by typer with the words of the call."""
        return super().parse_args(ctx, marked(args, self._with_value(), ends_at_name=self.ends_at_name))

    def _with_value(self) -> set[str]:
        options = [each for each in self.params if isinstance(each, TyperOption) and not each.is_flag]
        return {name for each in options for name in each.opts}


class EndsAtName(EndsAtCommand):
    """As ``docker run``: all words after the image are the container's."""

    ends_at_name = True


class MayWait(EndsAtCommand):
    """A command of the kind whose ``--wait`` has a value only where the next word is a duration."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Called by typer with the words of the call."""
        return super().parse_args(ctx, with_value(args, self._with_value() - {"--wait"}))


def marked(words: Sequence[str], with_value: Collection[str], *, ends_at_name: bool = False) -> list[str]:
    """`words` with ``--`` where our options end; `with_value` are the options that take the next word.

    >>> marked(["-u", "0", "web", "--dry-run", "id", "-u"], {"-u"})
    ['-u', '0', 'web', '--dry-run', '--', 'id', '-u']
    """
    position, is_named = 0, False
    while position < len(words) and words[position] != "--":
        word = words[position]
        if word.startswith("-") and word != "-":
            position += 1 + takes_next(word, with_value)
        elif is_named:
            return [*words[:position], "--", *words[position:]]
        else:
            position, is_named = position + 1, True
            if ends_at_name:
                rest = words[position:]
                return [*words[:position], "--", *rest[rest[:1] == ["--"] :]]
    return list(words)


def takes_next(word: str, with_value: Collection[str]) -> bool:
    """Whether the value of an option, or of the last of several short ones (``-itu``), is the next word."""
    if word.startswith("--"):
        return word in with_value
    valued = next((place for place, letter in enumerate(word[1:], 1) if f"-{letter}" in with_value), None)
    return valued == len(word) - 1


def with_value(words: Sequence[str], valued: Collection[str]) -> list[str]:
    """`words` with a value for ``--wait``; `valued` are the other options that take the next word.

    >>> with_value(["--wait", "web"], ())
    ['--wait=', 'web']
    >>> with_value(["--wait", "5s", "web", "sleep", "--wait"], ())
    ['--wait=5s', 'web', 'sleep', '--wait']
    """
    done: list[str] = []
    rest, is_named = list(words), False
    while rest and rest[0] != "--" and (rest[0].startswith("-") or not is_named):
        word = rest.pop(0)
        if word == "--wait":
            word += "=" + (rest.pop(0) if rest and DURATION.fullmatch(rest[0]) else "")
        is_named = is_named or not word.startswith("-")
        done.append(word)
        if word.startswith("-") and takes_next(word, valued) and rest:
            done.append(rest.pop(0))
    return [*done, *rest]
