"""Whether a document is about an image: by the digest of the image's manifest, which it names."""

from __future__ import annotations

from typing import Any

from cntr_core.errors import ImageError
from cntr_core.json_text import read_json

from ..report.text import words

LARGEST = 1 << 26
"""Bytes of a document: of 100,000 packages."""
NAMES = ("slim.cdx.json", "slim.spdx.json", "slim.openvex.json", "fat.cdx.json", "fat.spdx.json")
"""What ``--sbom`` writes."""
_HINT = "make new ones with cntr slim --sbom"
_KINDS = ("application/vnd.cyclonedx+json", "application/spdx+json", "application/vnd.openvex+json")


def check_document(name: str, content: bytes, digests: dict[str, str]) -> str:
    """The name of the image that the document `name` is about, of those that `digests` has by their digests.

    :raises ImageError: it is no document of ours, or about another image.
    """
    try:
        digest = _digest(read_json(content))
    except (ValueError, LookupError, TypeError, AttributeError):
        raise ImageError(f"{name} is no document of CycloneDX, SPDX or OpenVEX on an image", _HINT) from None
    if digest not in digests:
        raise ImageError(f"{name} is about another image, {words(digest)}", _HINT)
    return digests[digest]


def _digest(document: Any) -> str:
    """The digest that the document has of its image."""
    if "bomFormat" in document:
        found = document["metadata"]["component"]["version"]
    elif "spdxVersion" in document:
        found = document["packages"][0]["versionInfo"]
    else:
        identifier = document["statements"][0]["products"][0]["@id"]
        found = identifier.partition("@")[2].partition("?")[0].replace("%3A", ":")
    if not isinstance(found, str):
        raise TypeError
    return found


def check_attached(image: str, digest: str) -> list[str]:
    """The names of the documents that the registry of `image`, whose manifest is `digest`, has about it.

    :raises ImageError: the registry cannot be asked, or one of them is about another image.
    """
    from cntr_core.images.registry.referrers import attached

    found = [one for one in attached(image, digest, _KINDS) if one.name in NAMES]  # others attach theirs
    for document in found:
        check_document(document.name, document.content, {digest: image})
    return [document.name for document in found]


def read_document(path: str) -> bytes:
    """The file's content; :raises ImageError: it cannot be read, or is larger than any document."""
    try:
        with open(path, "rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise ImageError(f"{path} cannot be read: {error.strerror}", _HINT) from None
    if len(content) > LARGEST:
        raise ImageError(f"{path} has more than {LARGEST} bytes", _HINT)
    return content
