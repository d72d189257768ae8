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


def merge_runs(first: Sequence[Outcome], second: Sequence[Outcome]) -> tuple[Outcome, ...]:
    """Two runs of the original as one: what differs between them, or within one, is volatile. A probe that fails in
    either tells nothing of what it should have seen."""
    return tuple(
        replace(one, observations=merge(one.observations, other.observations)) if one.ok and other.ok else one
        for one, other in zip(first, second, strict=True)
    )


def _merged(first: Observation, second: Observation | None) -> Observation:
    if second is None:
        return first if first.once else _with_volatile(first, {SEEN: False})
    names = {*first.facts, *second.facts}
    differing = {name for name in names if first.facts.get(name) != second.facts.get(name)}
    differing |= {name.replace("sha256", "length") for name in differing}  # it may be equal by chance
    found = {name: second.facts.get(name) for name in sorted(differing)}
    return _with_volatile(first, {**second.volatile, **found})


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

    A content (a body, an output, where a redirect leads) that is volatile in either is not compared, but its length may
    differ by no more than half, or 64 bytes. Another fact that is volatile in the original, as a status, must have one
    of the values that were seen there. Everything else must be the same in all looks. Where the original has subjects
    in some looks only, such as links with a random name, the replay may have others that are like them.
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
    varying = [one for one in original.observations if SEEN in one.volatile]
    new = (one for one in theirs.values() if SEEN not in one.volatile and not any(_alike(one, v) for v in varying))
    return differences + [Difference(spec, one.subject, SEEN, False, True) for one in new]


def _compare_subject(spec: str, original: Observation, replay: Observation | None) -> list[Difference]:
    if replay is None:
        return [] if SEEN in original.volatile else [Difference(spec, original.subject, SEEN, True, False)]
    differences = []
    for name in dict.fromkeys((*original.facts, *replay.facts)):
        same = _same_content if _is_content(name) else _same_value
        for now in _looks(name, replay):
            if not same(name, original, replay, now):
                differences.append(Difference(spec, original.subject, name, original.facts.get(name), now))
                break
    return differences


def _looks(name: str, one: Observation) -> Iterator[Fact]:
    """What each look saw of a fact."""
    yield one.facts.get(name)
    if name in one.volatile and not _is_content(name):
        yield one.volatile[name]


def _is_content(name: str) -> bool:
    return name.endswith(("sha256", "length")) or name == "location"


def _same_content(name: str, original: Observation, replay: Observation, now: Fact) -> bool:
    was = original.facts.get(name)
    volatile = name in original.volatile or name in replay.volatile or (original.once and name != "location")
    if volatile and name.endswith("length") and isinstance(was, int) and isinstance(now, int):
        return abs(now - was) <= max(was // 2, _SLACK)
    return volatile or was == now


def _same_value(name: str, original: Observation, _replay: Observation, now: Fact) -> bool:
    """Whether the original was seen so; of a media type its parameters, such as a random boundary, do not count where
    they are volatile."""
    was = original.facts.get(name)
    if name not in original.volatile:
        return was == now
    return _without_parameters(now) in map(_without_parameters, (was, original.volatile[name]))


def _without_parameters(fact: Fact) -> Fact:
    return fact.partition(";")[0] if isinstance(fact, str) else fact


def _alike(one: Observation, other: Observation) -> bool:
    """Whether two subjects differ by name and content only."""
    names = {name for name in (*one.facts, *other.facts) if not _is_content(name)}
    return all(one.facts.get(name) == other.facts.get(name) for name in names)
