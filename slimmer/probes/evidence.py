"""What it is known by that a slim image does what the original does: the questions that both answered alike."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from .result import SEEN, Observation, Outcome
from .spec import MISSING

_PAGE = re.compile(r"(?:[A-Z]+ )?https?:(?P<port>[0-9]+)/")
_ERRORS = 400
_BY_HAND = "manual"

NOTHING = "nothing was asked of the slim image; ask with --probe http:PORT/PATH or --probe exec:COMMAND"
CONNECTIONS = "the slim image was only connected to; ask more with --probe exec:COMMAND or --probe script:FILE"
FAILURES = "no page that was asked for is there; ask for others with --probe http:{port}/PATH"

_Kinds = Mapping[str, Mapping[str, Observation]]


def evidence(outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    """Phrases, such as ``3 pages on port 80 gave the same answers``; none where nothing was asked. `outcomes` are the
    original's, in which all that both images did alike stands."""
    kinds = _sorted(outcomes)
    commands, scripts = len(kinds["command"]), len(kinds["script"])
    phrases = [
        *_pages(kinds["page"]),
        *([f"{_count(commands, 'command')} gave the same answer{_s(commands)}"] if commands else ()),
        *([f"{_count(scripts, 'script')} succeeded"] if scripts else ()),
        *(f"{subject.replace('tcp:', 'port ')} took a connection" for subject in kinds["connection"]),
        *(f"it ended with code {one.facts['code']}" for one in kinds["end"].values()),
        *(["it was used by hand"] if any(outcome.spec == _BY_HAND for outcome in outcomes) else ()),
    ]
    return tuple(phrases)


def doubt(outcomes: Sequence[Outcome]) -> str:
    """A phrase where these questions say little, with what to write; else nothing."""
    phrases, kinds = evidence(outcomes), _sorted(outcomes)
    if not phrases:
        return NOTHING
    if len(phrases) == len(kinds["connection"]):
        return CONNECTIONS
    ports = _ports(kinds["page"])
    only_pages = len(phrases) == len(ports) + len(kinds["connection"])
    return FAILURES.format(port=next(iter(ports))) if only_pages and all(map(_is_error, kinds["page"].values())) else ""


def _sorted(outcomes: Sequence[Outcome]) -> _Kinds:
    """The observations by kind and subject; what is no answer to anything is left out."""
    kinds: defaultdict[str, dict[str, Observation]] = defaultdict(dict)
    for outcome in outcomes:
        for one in outcome.observations:
            if not one.volatile.get(SEEN):  # else it was seen in another run only
                kinds[_kind(one)].setdefault(one.subject, one)
    return kinds


def _kind(one: Observation) -> str:
    if _PAGE.match(one.subject):
        return "page"
    if "protocol" in one.facts:
        return "connection" if one.facts["protocol"] == "tcp" else ""
    if "connected" in one.facts:
        return "connection"
    if one.subject == "container":
        return "end" if one.facts.get("code") is not None else ""
    return "script" if one.subject == "script" else "command"


def _ports(pages: Mapping[str, Observation]) -> Mapping[str, list[Observation]]:
    ports: defaultdict[str, list[Observation]] = defaultdict(list)
    for subject, one in pages.items():
        if match := _PAGE.match(subject):
            ports[match["port"]].append(one)
    return ports


def _pages(pages: Mapping[str, Observation]) -> Iterator[str]:
    for port, asked in _ports(pages).items():
        found = [one for one in asked if not one.subject.endswith(MISSING)]
        number, varying = len(found), sum("sha256" in one.volatile for one in found)
        text = f"{_count(number, 'page')} on port {port} gave the same answer{_s(number)}"
        details = [", ".join(sorted({str(one.facts["status"]) for one in found}))] if all(map(_is_error, found)) else []
        details += [f"{varying} with a body that varies"] if varying else []
        text += f" ({'; '.join(details)})" if details else ""
        yield text + (", a missing page too" if len(asked) > number else "")


def _is_error(page: Observation) -> bool:
    status = page.facts.get("status")
    return not isinstance(status, int) or status >= _ERRORS


def _count(number: int, what: str) -> str:
    return f"{number} {what}{_s(number)}"


def _s(number: int) -> str:
    return "s" * (number != 1)
