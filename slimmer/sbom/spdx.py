"""A subject as SPDX 2.3 (ISO/IEC 5962), in JSON."""

from __future__ import annotations

import json
from typing import Any

from cntr_core.version import version

from . import CONFIG
from .inventory import Distribution, Part
from .subject import Subject, purl

MEDIA_TYPE = "application/spdx+json"
_DOCUMENT, _IMAGE = "SPDXRef-DOCUMENT", "SPDXRef-image"
_UNKNOWN = "NOASSERTION"


def spdx(subject: Subject) -> bytes:
    """The document."""
    parts = [_package(part, subject.distribution, number) for number, part in enumerate(subject.parts)]
    document = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": _DOCUMENT,
        "name": subject.name,
        "documentNamespace": f"urn:uuid:{subject.identifier}",
        "creationInfo": {"created": subject.created.replace("+00:00", "Z"), "creators": [f"Tool: cntr-{version()}"]},
        "packages": [_image(subject), *parts],
        "relationships": [
            _relation(_DOCUMENT, "DESCRIBES", _IMAGE),
            *(_relation(_IMAGE, "CONTAINS", part["SPDXID"]) for part in parts),
        ],
    }
    return json.dumps(document, indent=1).encode() + b"\n"


def _image(subject: Subject) -> dict[str, Any]:
    checksum = {"algorithm": "SHA256", "checksumValue": subject.digest.removeprefix("sha256:")}
    image = _described(_IMAGE, subject.name, subject.digest, subject.purl)
    comment = f"{CONFIG}={subject.config}"
    return {**image, "primaryPackagePurpose": "CONTAINER", "checksums": [checksum], "comment": comment}


def _package(part: Part, distribution: Distribution, number: int) -> dict[str, Any]:
    return _described(f"SPDXRef-package-{number}", part.name, part.version, str(purl(part, distribution) or ""))


def _described(identifier: str, name: str, version: str, locator: str) -> dict[str, Any]:
    reference = {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": locator}
    return {
        "SPDXID": identifier,
        "name": name,
        "versionInfo": version,
        "downloadLocation": _UNKNOWN,
        "filesAnalyzed": False,
        "licenseConcluded": _UNKNOWN,
        "licenseDeclared": _UNKNOWN,
        "copyrightText": _UNKNOWN,
        **({"externalRefs": [reference]} if locator else {}),
    }


def _relation(one: str, kind: str, other: str) -> dict[str, str]:
    return {"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other}
