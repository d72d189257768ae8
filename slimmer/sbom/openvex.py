"""What the slim image has no file of, as OpenVEX 0.2.0: whatever a vulnerability there needs is not in it."""

from __future__ import annotations

import json
from collections.abc import Sequence

from cntr_core.version import version

from . import CONFIG
from .inventory import Part
from .subject import Subject, matching_purl

MEDIA_TYPE = "application/vnd.openvex+json"
_ANY = "*"
"""OpenVEX asks for the name of a vulnerability, and has no word for all of them."""


def openvex(slim: Subject, gone: Sequence[Part]) -> bytes:
    """The document on the packages `gone` of the original, at least one."""
    found = (matching_purl(part, slim.distribution) for part in gone)
    subcomponents = [{"@id": one, "identifiers": {"purl": one}} for one in found if one]
    product = {
        "@id": slim.purl,
        "identifiers": {"purl": slim.purl},
        "hashes": {"sha-256": slim.digest.removeprefix("sha256:")},
        "subcomponents": subcomponents,
    }
    statement = {
        "vulnerability": {"name": _ANY, "description": "any vulnerability of these packages"},
        "products": [product],
        "status": "not_affected",
        "justification": "component_not_present",
        "status_notes": f"{CONFIG}={slim.config}",
        "impact_statement": "the image has no file of the package",
    }
    document = {
        "@context": "https://openvex.dev/ns/v0.2.0",
        "@id": f"urn:uuid:{slim.identifier}",
        "author": "cntr",
        "tooling": f"cntr {version()}",
        "timestamp": slim.created,
        "version": 1,
        "statements": [statement],
    }
    return json.dumps(document, indent=1).encode() + b"\n"
