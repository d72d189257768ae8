"""What a probe saw: values that are stored as JSON, beside a trace or in a report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

Fact = str | int | bool | None
_NOTHING: Mapping[str, Any] = MappingProxyType({})
EXCERPT = 4096
"""Bytes of an output that are kept to be shown."""
SEEN = "seen"
_SLACK = 64


@dataclass(frozen=True, slots=True)
class Observation:
    """Facts about one `subject`: a page, a port, a command. `shown` is for people, and never compared.

    `volatile` has the facts that differed between two looks at the same container, as the second look saw them; SEEN
    stands for the subject itself, where only one of the looks had it. `once`: it may have changed something, and so
    there was one look only.
    """

    subject: str
    facts: Mapping[str, Fact]
    volatile: Mapping[str, Fact] = field(default_factory=lambda: _NOTHING)
    once: bool = False
    shown: Mapping[str, str] = field(default_factory=lambda: _NOTHING)

    def to_json(self) -> dict[str, Any]:
        """The observation as JSON's own types; what says nothing is left out."""
        return {
            "subject": self.subject,
            "facts": dict(self.facts),
            **({"volatile": dict(self.volatile)} if self.volatile else {}),
            **({"once": True} if self.once else {}),
            **({"shown": dict(self.shown)} if self.shown else {}),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Observation:
        """What :meth:`to_json` told."""
        volatile, shown = (values.get(name, _NOTHING) for name in ("volatile", "shown"))
        return cls(values["subject"], values["facts"], volatile, values.get("once", False), shown)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one probe went: its spec, whether it succeeded, how long it took, and one sentence about it.

    No two observations have the same subject. `output` is what a script printed, or the last lines of the log of a
    container that ended too early."""

    spec: str
    ok: bool
    seconds: float
    detail: str
    observations: tuple[Observation, ...] = ()
    output: str = ""

    def to_json(self) -> dict[str, Any]:
        """The outcome as JSON's own types."""
        return {
            "spec": self.spec,
            "ok": self.ok,
            "seconds": round(self.seconds, 4),
            "detail": self.detail,
            "observations": [one.to_json() for one in self.observations],
            **({"output": self.output} if self.output else {}),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Outcome:
        """What :meth:`to_json` told, the seconds to a tenth of a millisecond."""
        observations = tuple(map(Observation.from_json, values["observations"]))
        output = values.get("output", "")
        return cls(values["spec"], values["ok"], values["seconds"], values["detail"], observations, output)


def merge(first: Sequence[Observation], second: Sequence[Observation]) -> tuple[Observation, ...]:
    """Two looks at the same container as one: the first's facts, and what is volatile about them."""
    again = {one.subject: one for one in second}
    merged = [_merged(one, again.pop(one.subject, None)) for one in first]
    return (*merged, *(_with_volatile(one, {SEEN: True}) for one in again.values()))


def _merged(first: Observation, second: Observation | None) -> Observation:
    if first.once:
        return first
    if second is None:
        return _with_volatile(first, {SEEN: False})
    names = {*first.facts, *second.facts}
    differing = {name for name in names if first.facts.get(name) != second.facts.get(name)}
    differing |= {name.replace("sha256", "length") for name in differing}  # it may be equal by chance
    return _with_volatile(first, {name: second.facts.get(name) for name in sorted(differing)})


def _with_volatile(one: Observation, facts: Mapping[str, Fact]) -> Observation:
    return replace(one, volatile={**one.volatile, **facts})


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that the slim image does otherwise. `fact` is "ok" where the probe's success itself differs, "probe"
    where one run has no such probe, SEEN where one has not seen the subject."""

    spec: str
    subject: str
    fact: str
    original: Fact
    replay: Fact

    def __str__(self) -> str:
        subject = f", {self.subject}" if self.subject and self.subject != self.spec else ""
        return f"{self.spec}{subject}: {self.fact} was {_told(self.original)}, and is {_told(self.replay)}"

    def to_json(self) -> dict[str, Fact]:
        """The difference as JSON's own types."""
        return {name: getattr(self, name) for name in self.__slots__}


def _told(fact: Fact) -> str:
    words: dict[Fact, str] = {None: "absent", True: "true", False: "false"}
    return words[fact] if fact is None or isinstance(fact, bool) else str(fact)


def compare(original: Sequence[Outcome], replay: Sequence[Outcome]) -> list[Difference]:
    """What the replay's probes saw otherwise, in order; nothing where the two containers behave the same.

    What was volatile in the original is not compared; nor is a content (a body, an output, where a redirect leads) that
    is volatile in the replay, but its length may differ by no more than half, or 64 bytes. Everything else must be the
    same in all looks.
    """
    differences = []
    for number in range(max(len(original), len(replay))):
        pair = [run[number] if number < len(run) else None for run in (original, replay)]
        differences += _compare(*pair)
    return differences


def _compare(original: Outcome | None, replay: Outcome | None) -> list[Difference]:
    if original is None or replay is None or original.spec != replay.spec:
        was, now = (outcome.spec if outcome else None for outcome in (original, replay))
        return [Difference(was or now or "", "", "probe", was, now)]
    spec = original.spec
    theirs = {one.subject: one for one in replay.observations}
    differences = []
    if original.ok != replay.ok:
        differences.append(Difference(spec, "", "ok", original.ok, replay.ok))
    for one in original.observations:
        differences += _compare_subject(spec, one, theirs.pop(one.subject, None))
    new = (one for one in theirs.values() if SEEN not in one.volatile)
    return differences + [Difference(spec, one.subject, SEEN, False, True) for one in new]


def _compare_subject(spec: str, original: Observation, replay: Observation | None) -> list[Difference]:
    if replay is None:
        return [] if SEEN in original.volatile else [Difference(spec, original.subject, SEEN, True, False)]
    differences = []
    for name in dict.fromkeys((*original.facts, *replay.facts)):
        was = original.facts.get(name)
        for now in _looks(name, replay):
            if not _same(name, was, now, _is_volatile(name, original, replay)):
                differences.append(Difference(spec, original.subject, name, was, now))
                break
    return differences


def _looks(name: str, one: Observation) -> Iterator[Fact]:
    """What each look saw of a fact."""
    yield one.facts.get(name)
    if name in one.volatile and not _is_content(name):
        yield one.volatile[name]


def _is_volatile(name: str, original: Observation, replay: Observation) -> bool:
    if name in original.volatile:
        return True
    return _is_content(name) and (name in replay.volatile or (original.once and name != "location"))


def _is_content(name: str) -> bool:
    return name.endswith(("sha256", "length")) or name == "location"


def _same(name: str, original: Fact, replay: Fact, volatile: bool) -> bool:
    if original == replay:
        return True
    if volatile and name.endswith("length") and isinstance(original, int) and isinstance(replay, int):
        return abs(replay - original) <= max(original // 2, _SLACK)
    return volatile
