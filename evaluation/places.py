"""Results are for others to read: where a machine keeps its images and scripts is no part of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from .results import Result, Step

_TEMPORARY = re.compile(r"(?:/[\w.+-]+)*/cntr-[a-z0-9]+-[0-9a-f]{16}")
"""A temporary directory of cntr (cntr_core/images/temporary.py), wherever it is."""


def plain(text: str, places: Mapping[str, str]) -> str:
    """The text with words in the place of directories, by their paths."""
    for path in sorted(places, key=len, reverse=True):
        text = text.replace(f"{path}/", f"{places[path]}/")
    return _TEMPORARY.sub("TEMPORARY", text)


def without_places(result: Result, places: Mapping[str, str]) -> Result:
    """The result with such words in all that a program said."""

    def of(steps: Iterable[Step]) -> tuple[Step, ...]:
        return tuple(replace(step, detail=plain(step.detail, places)) for step in steps)

    peers = {
        name: replace(peer, steps=of(peer.steps), error=plain(peer.error, places))
        for name, peer in result.peers.items()
    }
    return replace(result, steps=of(result.steps), error=plain(result.error, places), peers=peers)
