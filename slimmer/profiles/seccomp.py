"""A profile of system calls (runtime-spec, config-linux.md, ``linux.seccomp``, which docker and podman take, too): what
the runs called and what :mod:`.baseline` says may be called; never more than the runs themselves were allowed."""

from __future__ import annotations

import errno
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .baseline import BASELINE
from .calls import Calls

_ALLOW, _REFUSE = "SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO"
_PERMISSIVE = (_ALLOW, "SCMP_ACT_LOG")
_ARCHITECTURES = {
    "x86_64": ("SCMP_ARCH_X86_64", "SCMP_ARCH_X86"),
    "aarch64": ("SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"),
}
"""By uname(2)'s names; the second is that of processes of 32 bits."""
_MADE = "made by the runs"
_BEYOND = "made by the runs: the engine's profile allows them, docker's default does not"
_LEARNT = "refused in a replay, which then failed"

Rule = Mapping[str, Any]


def seccomp_profile(bound: Bound, calls: Calls, learnt: Collection[str], about: Sequence[str]) -> dict[str, Any]:
    """The profile for `calls`, and those that were `learnt` in its replays, within `bound`. `about` are lines on what
    it is based on."""
    machine, narrow = _ARCHITECTURES[os.uname().machine]
    return {
        "comment": list(about),
        "defaultAction": _REFUSE,
        "defaultErrnoRet": errno.EPERM,
        # A call of an architecture that is not listed is no error, but the end of the process.
        "architectures": [machine, *[narrow] * bool(calls.narrow), *["SCMP_ARCH_X32"] * calls.x32],
        "syscalls": list(_rules(bound, _beyond(bound, calls), calls, learnt)),
    }


@dataclass(frozen=True, slots=True)
class Bound:
    """What the runs were allowed: a ``linux.seccomp``, whose conditions stay, and what it refuses is refused; None for
    everything. It is only `assumed` where an engine has one of its own, which nobody tells: then what was called was
    allowed."""

    profile: Mapping[str, Any] | None
    assumed: bool = False

    def may_allow(self, names: Collection[str]) -> set[str]:
        """Those of `names` that it does not always refuse."""
        if self.profile is None:
            return set(names)
        if self.profile["defaultAction"] in _PERMISSIVE:
            # Also what is refused with certain arguments only: of two rules libseccomp would follow the wider one.
            return set(names) - {name for rule in _refusing(self.profile) for name in rule["names"]}
        return set(names) & allowed(self.profile)


def allowed(profile: Mapping[str, Any]) -> set[str]:
    """The calls that a profile allows, if only with certain arguments."""
    return {name for rule in profile["syscalls"] if rule["action"] in _PERMISSIVE for name in rule["names"]}


def _beyond(bound: Bound, calls: Calls) -> set[str]:
    """What an engine has allowed although docker's default does not."""
    return set(calls.all) - bound.may_allow(calls.all) if bound.assumed else set()


def _rules(bound: Bound, beyond: Collection[str], calls: Calls, learnt: Collection[str]) -> Iterator[dict[str, Any]]:
    known = bound.profile or {"defaultAction": _ALLOW}
    wanted = [(_MADE, calls.all), (_LEARNT, frozenset(learnt)), *BASELINE]
    conditional = _conditional(known)
    told = {name for rule in conditional for name in rule["names"]}.union(beyond)
    if beyond:
        yield {"names": sorted(beyond), "action": _ALLOW, "comment": _BEYOND}
    for text, names in wanted:
        new = bound.may_allow(names) - told
        told |= new
        if new:
            yield {"names": sorted(new), "action": _ALLOW, "comment": text}
    every = {name for _, names in wanted for name in names}
    yield from _narrowed(conditional, every, "with the arguments that the runs were allowed")
    refused = {name for rule in _refusing(known) for name in rule["names"]}
    yield from _narrowed(_refusing(known), refused.difference(beyond), "refused in the runs, too")


def _narrowed(rules: Sequence[Rule], names: Collection[str], text: str) -> Iterator[dict[str, Any]]:
    """The rules for those of their names that are among `names`."""
    for rule in rules:
        if left := sorted(set(rule["names"]).intersection(names)):
            yield {**rule, "names": left, "comment": text}


def _conditional(bound: Mapping[str, Any]) -> list[Rule]:
    """The rules of `bound` that allow a call with certain arguments, and not also without them."""
    rules = [rule for rule in bound.get("syscalls", ()) if rule["action"] in _PERMISSIVE]
    always = {name for rule in rules if not rule.get("args") for name in rule["names"]}
    return [rule for rule in rules if rule.get("args") and always.isdisjoint(rule["names"])]


def _refusing(bound: Mapping[str, Any]) -> list[Rule]:
    """The rules of `bound` that refuse a call."""
    return [rule for rule in bound.get("syscalls", ()) if rule["action"] not in _PERMISSIVE]
