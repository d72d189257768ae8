"""``--wait [DURATION]``: the container's next start, where it does not run, or ends before the session has begun."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ..errors import ContainerEnded, ContainerNotFound, ContainerNotRunning, EngineError, UsageError
from ..types import ContainerRef
from . import end_by_signals, output

if TYPE_CHECKING:
    from ..engine import Engine
    from ..types import ContainerProcess

    Work = Callable[[Sequence[Engine], ContainerProcess], int]

DURATION = re.compile(r"(?P<number>[0-9]+(\.[0-9]+)?)(?P<unit>ms|s|m|h)")
_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}
_EVER = 2_000_000.0
"""Seconds: poll(2) counts milliseconds in an int."""


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
    match = DURATION.fullmatch(text if text[-1:].isalpha() else f"{text}s")
    if match is None:
        raise UsageError(f"--wait: '{text}' is not a duration", "for example --wait 30s")
    return min(_EVER, float(match["number"]) * _UNITS[match["unit"]])
