"""From what the runs called to a profile of system calls that a replay has passed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cntr_core.runtime import Confinement
from cntr_core.runtime.config_json import CAPABILITIES

from ..request import RunOptions
from .calls import Calls
from .made import MadeProfile
from .seccomp import Bound, allowed, seccomp_profile

KIND = "seccomp"
MISSED = (
    "what the probes did not ask for: other pages, errors, a reload, another locale, another day",
    "what the runs' own profile refused: it stays refused",
    "processes in a PID namespace below the container's own",
    "processes of 64 bits that call by int 0x80, as processes of 32 bits do: a replay then fails",
    "another machine's kernel, C library, OCI runtime and architecture, beyond the calls that are listed for them",
    "what io_uring does for a program, which is no system call, and is not filtered either",
)
"""What such a profile does not know."""

Replay = Callable[[Mapping[str, Any]], tuple[str, Calls]]
"""Runs the slim image under a profile: how it differs from the original, in a sentence, empty for not at all; and what
it called."""


def bound_of(options: RunOptions) -> Bound:
    """What runs with these options may call."""
    capabilities = [f"CAP_{word}" for word in CAPABILITIES.split()]
    if options.engine is not None:
        return Bound(Confinement().filter(capabilities), assumed=True)
    return Bound(options.runtime.confinement.filter(capabilities))


def replayed(bound: Bound, calls: Calls, based_on: Sequence[str], replay: Replay | None, rounds: int) -> MadeProfile:
    """The profile for `calls`. A call that a replay misses is learnt, up to `rounds` times; without `replay` nothing is
    verified. `based_on` are lines on the runs."""
    learnt: set[str] = set()
    while True:
        profile = seccomp_profile(bound, calls, learnt, based_on)
        if replay is None:
            return _made(profile, calls, learnt, based_on, "", verified=False)
        trouble, again = replay(profile)
        missing = bound.may_allow(again.refused) - allowed(profile)
        if not missing or rounds <= 0:
            named = f"; refused were {', '.join(sorted(missing))}" if trouble and missing else ""
            return _made(profile, calls, learnt, based_on, trouble + named, verified=not trouble)
        learnt |= missing
        rounds -= 1


def _made(
    profile: dict[str, Any], calls: Calls, learnt: set[str], based_on: Sequence[str], trouble: str, *, verified: bool
) -> MadeProfile:
    missed = [*MISSED]
    if calls.unnamed:
        numbers = ", ".join(map(str, sorted(calls.unnamed)))
        missed.append(f"calls that libseccomp has no name for, by their numbers: {numbers}")
    told = "the slim image passed its probes under it" if verified else "the slim image was not seen to work under it"
    profile["comment"] = [*based_on, told, *(f"not known: {line}" for line in missed)]
    text = json.dumps(profile, indent=2).encode() + b"\n"
    names = tuple(sorted(allowed(profile)))
    summary = f"{len(names)} system calls" + (f", {len(learnt)} of them learnt in a replay" if learnt else "")
    return MadeProfile(
        KIND, text, verified, trouble, summary, names, tuple(sorted(learnt)), tuple(based_on), tuple(missed)
    )
