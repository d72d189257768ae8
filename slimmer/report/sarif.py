"""The report as SARIF 2.1.0 (OASIS), which code hosts show: a result for each thing that is wrong."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from cntr_core.version import version

from .cases import Case

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def sarif(image: str, found: Sequence[Case]) -> bytes:
    """A document with one run, of what was tried of the image. Every check is a rule; only those that failed have a
    result, for some hosts show all."""
    driver = {
        "name": "cntr slim",
        "version": version(),
        "rules": [{"id": case.name, "shortDescription": {"text": case.name}} for case in found],
    }
    failed = [(number, case) for number, case in enumerate(found) if case.trouble]
    results = [_result(number, case, image) for number, case in failed]
    document = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": results}]}
    return json.dumps(document, indent=1).encode() + b"\n"


def _result(number: int, case: Case, image: str) -> dict[str, Any]:
    """Where there is no line to point to, hosts ask for a file: it is the image, as the user named it."""
    return {
        "ruleId": case.name,
        "ruleIndex": number,
        "level": "error",
        "message": {"text": f"{case.name}: {case.trouble}"},
        "locations": [{"physicalLocation": {"artifactLocation": {"uri": quote(image)}}}],
    }
