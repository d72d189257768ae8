"""Calling the operations that an application's own OpenAPI document tells of."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from cntr_core.json_text import read_json
from cntr_core.reasons import reason

from .attempt import Attempt, NoAnswer
from .crawl import visit
from .network import Endpoint
from .openapi_requests import READS, Operation, operations
from .result import Observation
from .spec import SUCCESS
from .web import Page, Request, Web, accepted, entrance

_LARGEST = 2 << 20
_LONGEST = 100
"""Characters of a path in a sentence."""


def call_all(web: Web, target: Endpoint, path: str, write: bool, seconds: float) -> Attempt:
    """Read the document and call each operation once.

    An operation fails by a status that is neither a success nor foreseen by the document; where a parameter had to be
    made up, refusals (4xx) are just facts.

    :raises NotReady: the document cannot be had yet.
    :raises NoAnswer: it cannot be had, or is none.
    """
    end = time.monotonic() + seconds
    page = entrance(web, target, Request(path), SUCCESS, seconds)
    found = _read(target.name(path), page, write)
    called = list(_called(web, target, found, end))
    observations = [Observation(target.name(path), page.facts()), *(_observed(target, *one) for one in called)]
    if len(called) < len(found):
        return Attempt(False, f"the time was up after {len(called)} of {len(found)} operations", observations)
    failures = [_named(*one) for one in called if not _succeeded(*one)]
    failed = f", of which {len(failures)} failed: {', '.join(failures[:3])}" if failures else ""
    return Attempt(not failures, f"{len(found)} operation{'s' * (len(found) != 1)} called{failed}", observations)


def _read(name: str, page: Page, write: bool) -> list[Operation]:
    if not accepted(page.status, SUCCESS):
        raise NoAnswer(f"{name} answered {page.status}")
    try:
        if page.length > _LARGEST:
            raise ValueError(f"it has more than {_LARGEST >> 20} MiB")
        document = read_json(page.content)
        if not isinstance(document, dict):
            raise ValueError("it is not an object")
        told = operations(document, write)
        found = list({(one.method, one.path): one for one in told}.values())  # templates may be filled in alike
    except ValueError as error:
        raise NoAnswer(f"{name} cannot be used: {reason(error)}") from error
    if not found:
        raise NoAnswer(f"{name} tells of no operation{'' if write else ' that only reads'}")
    return found


def _called(
    web: Web, target: Endpoint, found: Sequence[Operation], end: float
) -> Iterator[tuple[Operation, Page | None]]:
    """Each operation with its answer, until the time is up."""
    for operation in found:
        left = end - time.monotonic()
        if left <= 0:
            return
        request = Request(operation.path, operation.method, operation.headers, operation.content)
        yield operation, visit(web, target, request, left)


def _named(operation: Operation, answer: Page | None) -> str:
    path = operation.path if len(operation.path) <= _LONGEST else f"{operation.path[:_LONGEST]}…"
    return f"{operation.method} {path} ({answer.status if answer else 'no answer'})"


def _observed(target: Endpoint, operation: Operation, answer: Page | None) -> Observation:
    subject = f"{operation.method} {target.name(operation.path)}"
    return Observation(
        subject, answer.facts() if answer else {"status": None}, once=operation.method.lower() not in READS
    )


def _succeeded(operation: Operation, answer: Page | None) -> bool:
    if answer is None:
        return False
    foreseen = accepted(answer.status, SUCCESS) or operation.foresees(answer.status)
    return foreseen or (not operation.exact and 400 <= answer.status < 500)
