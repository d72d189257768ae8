"""A security profile that is made."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

KINDS = ("seccomp", "apparmor")
_SUFFIXES = {"seccomp": "json", "apparmor": "profile"}


@dataclass(frozen=True, slots=True)
class MadeProfile:
    """A profile's `text`; `verified` where a replay has passed under it, else `trouble` says why it did not, and is
    empty where there was none; `summary` says how much is in it. `allowed` are the system calls that it allows, of
    which `learnt` was missed by a replay; `based_on` and `missed` are lines for people: what it was made of, and what
    it does not know."""

    kind: str
    text: bytes
    verified: bool
    trouble: str = ""
    summary: str = ""
    allowed: tuple[str, ...] = ()
    learnt: tuple[str, ...] = ()
    based_on: tuple[str, ...] = ()
    missed: tuple[str, ...] = ()

    @property
    def file(self) -> str:
        """The name of its file."""
        return file_name(self.kind, verified=self.verified)


def contents(profiles: Iterable[MadeProfile]) -> dict[str, bytes]:
    """What is written of profiles, by the names of the files."""
    return {profile.file: profile.text for profile in profiles}


def file_name(kind: str, *, verified: bool) -> str:
    """The name of a profile's file, which says where it is not verified."""
    return f"{kind}{'' if verified else '.unverified'}.{_SUFFIXES[kind]}"


NAMES = tuple(file_name(kind, verified=verified) for kind in KINDS for verified in (True, False))
"""What ``--profile`` may write."""
