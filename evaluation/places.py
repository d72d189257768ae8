"""Results are for others to read: where a machine keeps its images and scripts is no part of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from .results import Result

_TEMPORARY = re.compile(r"(?:/[\w.+-]+)*/cntr-[a-z0-9]+-[0-9a-f]{16}")
"""A temporary directory of cntr (cntr_core/images/temporary.py), wherever it is."""


def without_places(result: Result, places: Mapping[str, str]) -> Result:
    """The result with words in the place of directories, by their paths, in all that a program said."""

    def plain(text: str) -> str:
        for path in sorted(places, key=len, reverse=True):
            text = text.replace(f"{path}/", f"{places[path]}/")
        return _TEMPORARY.sub("TEMPORARY", text)

    steps = tuple(replace(step, detail=plain(step.detail)) for step in result.steps)
    return replace(result, steps=steps, error=plain(result.error))
