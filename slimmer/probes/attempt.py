"""One try of a probe, and how it is waited for. Tries are JSON on their way from the process that makes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .result import Observation


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of one try; `detail` is a sentence. Not `ready`: the container may just need more time."""

    ok: bool
    detail: str
    observations: Sequence[Observation] = ()
    output: str = ""
    ready: bool = True

    def to_json(self) -> dict[str, Any]:
        """The attempt as JSON's own types."""
        plain = {name: getattr(self, name) for name in self.__slots__}
        return {**plain, "observations": [one.to_json() for one in self.observations]}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Attempt:
        """What :meth:`to_json` told."""
        return cls(**{**values, "observations": [Observation.from_json(one) for one in values["observations"]]})


class NotReady(Exception):
    """The container does not answer yet."""


class NoAnswer(Exception):
    """What came is no answer, and waiting will not help."""
