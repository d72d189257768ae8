"""What the probes did not ask, as far as an image itself tells of more."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence

from cntr_core.errors import ImageError
from cntr_core.images import ImageConfig

from ..probes.defaults import health_check
from ..probes.result import Outcome

_PORT = re.compile(r"(?:\bport |\bports:|https?:|tcp:)(?P<port>[0-9]+)")


def unasked(config: ImageConfig, outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    """Phrases, such as ``port 443, which the image exposes``. `outcomes` are the original's."""
    return (*_ports(config, outcomes), *_check(config, outcomes), *_varying(outcomes))


def _ports(config: ImageConfig, outcomes: Sequence[Outcome]) -> Iterator[str]:
    subjects = [one.subject for outcome in outcomes for one in outcome.observations]
    asked = {match["port"] for text in subjects for match in _PORT.finditer(text)}
    for exposed in config.exposed_ports:
        port, _, protocol = exposed.partition("/")
        if port not in asked or protocol.lower() == "udp":
            yield f"port {exposed.removesuffix('/tcp')}, which the image exposes"


def _check(config: ImageConfig, outcomes: Sequence[Outcome]) -> Iterator[str]:
    try:
        command = shlex.join(health_check(config))
    except ImageError:  # malformed: no engine runs it
        return
    if command and not any(outcome.spec.startswith("exec") and command in outcome.spec for outcome in outcomes):
        yield "the image's health check"


def _varying(outcomes: Sequence[Outcome]) -> Iterator[str]:
    found = (one for outcome in outcomes for one in outcome.observations)
    if count := sum("sha256" in one.volatile for one in found):
        yield f"what {count} page{'s' * (count > 1)} said: it differs at each look"
