"""What the paper claims, from ``paper.toml``."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass

_FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "paper.toml")
PROVENANCE = {
    "abstract": "in its abstract",
    "source": "in the original's source",
    "memory": "remembered, not checked against the text",
    "peer": "what a newer peer says of itself",
}


@dataclass(frozen=True, slots=True)
class PaperClaim:
    """One claim: its sentence, its number if it has one, and how we know it (a key of `PROVENANCE`)."""

    name: str
    text: str
    provenance: str
    value: float | None = None


def claims() -> Mapping[str, PaperClaim]:
    """All claims by their names."""
    with open(_FILE, "rb") as file:
        return {name: PaperClaim(name, **words) for name, words in tomllib.load(file).items()}
