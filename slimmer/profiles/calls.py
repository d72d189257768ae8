"""System calls that runs made, by the names of libseccomp."""

from __future__ import annotations

from dataclasses import dataclass

_NONE: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Calls:
    """What was called in one run or in several: `made` by the machine's own calls, `narrow` by those of 32 bits;
    `refused` what a filter refused each time; `unnamed` the numbers of calls that libseccomp does not know. `x32` tells
    whether there were calls of x86's x32."""

    made: frozenset[str] = _NONE
    narrow: frozenset[str] = _NONE
    refused: frozenset[str] = _NONE
    unnamed: frozenset[int] = frozenset()
    x32: bool = False

    @property
    def all(self) -> frozenset[str]:
        """The names of all that were made."""
        return self.made | self.narrow

    def __or__(self, other: Calls) -> Calls:
        """What was called in either."""
        both = self.all | other.all
        return Calls(
            self.made | other.made,
            self.narrow | other.narrow,
            (self.refused | other.refused) - both,
            self.unnamed | other.unnamed,
            self.x32 or other.x32,
        )
