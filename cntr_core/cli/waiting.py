"""``--wait [DURATION]``: the container's next start, where it does not run, or ends before the session has begun."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import ContainerEnded, ContainerNotFound, ContainerNotRunning, EngineError, UsageError
from ..types import ContainerRef
from . import end_by_signals, output
from .words import EndsAtCommand, takes_next

if TYPE_CHECKING:
    from ..engine import Engine
    from ..types import ContainerProcess

    Work = Callable[[Sequence[Engine], ContainerProcess], int]

_DURATION = re.compile(r"(?P<number>[0-9]+(\.[0-9]+)?)(?P<unit>ms|s|m|h)")
_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}
_EVER = 2_000_000.0
"""Seconds: poll(2) counts milliseconds in an int."""

Wait = Annotated[
    str | None,
    typer.Option(
        "--wait",
        metavar="[DURATION]",
        help="Wait for the container's next start if it does not run or is not there yet, for so long (10s, 5m) or for "
        "ever.",
        show_default=False,
    ),
]


class MayWait(EndsAtCommand):
    """A command of the kind whose ``--wait`` has a value only where the next word is a duration."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Called by typer with the words of the call."""
        return super().parse_args(ctx, with_value(args, self._with_value() - {"--wait"}))


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
            word += "=" + (rest.pop(0) if rest and _DURATION.fullmatch(rest[0]) else "")
        is_named = is_named or not word.startswith("-")
        done.append(word)
        if word.startswith("-") and takes_next(word, valued) and rest:
            done.append(rest.pop(0))
    return [*done, *rest]


def on_container(
    name: str, wait: str | None, work: Work, meanwhile: Callable[[], object], *, paused: bool = False
) -> int:
    """What `work` gives for the container of that name, which may be `paused`; with `wait`, for its next start where it
    is not there.

    :raises CntrError: there is none, or it does not start in time; or as `work`.
    """
    from ..engine import resolve
    from ..plugins import load

    end_by_signals()
    limit, ref = None if wait is None else _seconds(wait), ContainerRef.parse(name)
    engines = load().engines_for(ref.engine)
    if limit is None:
        return work(engines, resolve(ref, engines, meanwhile=meanwhile, paused=paused))
    until = time.monotonic() + limit
    try:
        return work(engines, resolve(ref, engines, meanwhile=meanwhile, paused=paused, suggest=False))
    except ContainerEnded:
        raise
    except (ContainerNotFound, ContainerNotRunning, EngineError) as error:
        output.say(f"{error.message}; waiting for its next start (Ctrl-C ends this)")
    return _at_next_start(ref, engines, until, work)


def _at_next_start(ref: ContainerRef, engines: Sequence[Engine], until: float, work: Work) -> int:
    """One that ends before the session has begun starts again."""
    from ..engine import next_start

    while True:
        process = next_start(ref, engines, max(0.0, until - time.monotonic()))
        try:
            return work(engines, process)
        except ContainerEnded:
            raise
        except ContainerNotRunning as error:
            output.say(f"{error.message}; waiting for its next start")


def _seconds(text: str) -> float:
    if not text:
        return _EVER
    match = _DURATION.fullmatch(text if text[-1:].isalpha() else f"{text}s")
    if match is None:
        raise UsageError(f"--wait: '{text}' is not a duration", "for example --wait 30s")
    return min(_EVER, float(match["number"]) * _UNITS[match["unit"]])
