"""Asking the rules until none has anything new to say."""

from __future__ import annotations

import posixpath
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from cntr_core.errors import CntrError, PluginError
from cntr_core.rules import Found, Keep, LeftOut, Profile, Rule, RuleContext

_MOST_ROUNDS = 500
"""How often all rules are asked. Libraries of libraries, and modules of modules, end after some twenty; a chain that is
longer was made to be."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a file is kept: the `rule` that named it first, and its words."""

    rule: str
    because: str


def chosen(
    rules: Sequence[Rule],
    profile: Profile = Profile.BALANCED,
    *,
    with_: Iterable[str] = (),
    without: Iterable[str] = (),
) -> tuple[Rule, ...]:
    """The rules that are asked: those of the profile, those named in `with_`, none of those named in `without`.

    :raises PluginError: there is no rule of that name.
    """
    names = {rule.name for rule in rules}
    with_, without = set(with_), set(without)
    if unknown := sorted((with_ | without) - names):
        raise PluginError(f"unknown rule '{unknown[0]}'", f"the rules are: {', '.join(sorted(names))}")
    profiles = tuple(Profile)
    below = profiles[: profiles.index(profile) + 1]
    return tuple(rule for rule in rules if (rule.profile in below or rule.name in with_) and rule.name not in without)


class Closed(NamedTuple):
    """What rules say, by real paths, each with the first reason: what they keep, in the order in which it came, and
    what none keeps because of a limit."""

    kept: Mapping[bytes, Reason]
    left_out: Mapping[bytes, Reason]


def close(
    context: RuleContext, rules: Sequence[Rule], *, excluded: Callable[[bytes], bool] = lambda _: False
) -> Closed:
    """What the rules keep beside what `context` says was used.

    The links on the way to a file are kept with it, and the directories above. What is `excluded` is neither kept
    nor looked at, and nothing is kept for its sake. The result does not depend on the order of sets.

    :raises CntrError: a rule fails; the message names it.
    """
    closure = _Closure(context, excluded)
    closure.over(rules)
    return closure.result()


class _Closure:
    """What is kept so far."""

    def __init__(self, context: RuleContext, excluded: Callable[[bytes], bool]) -> None:
        self._context = context
        self._image = context.image
        self._excluded = excluded
        # A file that the run itself made is used too, and in no image.
        self._kept = frozenset(p for p in context.used if not excluded(p) and self._image.lookup(p, follow=False))
        self._reasons: dict[bytes, Reason] = {}
        self._left_out: dict[bytes, Reason] = {}
        self._resolved: set[bytes] = set()

    def result(self) -> Closed:
        left_out = {path: reason for path, reason in self._left_out.items() if path not in self._kept}
        return Closed(self._reasons, left_out)

    def over(self, rules: Sequence[Rule]) -> None:
        shown: list[frozenset[bytes] | None] = [None] * len(rules)
        for _ in range(_MOST_ROUNDS):
            if all(known == self._kept for known in shown):
                return
            for number, rule in enumerate(rules):
                known = shown[number]
                if known != self._kept:
                    shown[number] = self._kept
                    self._ask(rule, self._kept - (known or frozenset()))

    def _ask(self, rule: Rule, fresh: frozenset[bytes]) -> None:
        new: dict[bytes, Reason] = {}
        for keep in _answers(rule, replace(self._context, kept=self._kept, fresh=fresh)):
            reason = Reason(rule.name, keep.because)
            if isinstance(keep, LeftOut):
                self._left_out.setdefault(keep.path, reason)
                continue
            for path in self._real_paths(keep.path):
                if path not in self._kept and not self._excluded(path):
                    new.setdefault(path, reason)
        self._reasons |= new
        self._kept |= new.keys()

    def _real_paths(self, path: bytes) -> Iterator[bytes]:
        """The file at `path`, the links that lead to it, and the directories above; none where nothing is."""
        if path in self._resolved:
            return
        self._resolved.add(path)
        found = self._image.lookup(path, follow=False)
        if found and stat.S_ISLNK(found.kind):
            yield from _with_links(found)
            found = self._image.lookup(path)
        if found:
            yield from _with_links(found)


def _with_links(found: Found) -> Iterator[bytes]:
    for path in (found.path, *found.links):
        yield path
        while path != b"/":
            path = posixpath.dirname(path)
            yield path


def _answers(rule: Rule, context: RuleContext) -> Sequence[Keep | LeftOut]:
    """Sorted: a rule may go through sets in any order."""
    try:
        return sorted(rule.keep(context), key=lambda keep: (keep.path, keep.because))
    except CntrError as error:
        raise type(error)(f"rule '{rule.name}': {error.message}", error.hint) from error
    except Exception as error:  # whatever a stranger's rule does
        message = f"the rule '{rule.name}' failed: {type(error).__name__}: {error}"
        raise PluginError(message, f"leave it out with --no-rule {rule.name}, and tell its author") from error
