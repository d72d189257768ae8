"""Whether a document is about an image: by the digest of the image's manifest, or of its configuration, which an engine
keeps where it makes a manifest of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cntr_core.errors import ImageError
from cntr_core.images import Image
from cntr_core.images.streams import digest_of
from cntr_core.json_text import read_json

from ..report.text import words
from . import CONFIG, NAMES

LARGEST = 1 << 26
"""Bytes of a document: of 100,000 packages."""
_HINT = "make new ones with cntr slim --sbom"
_KINDS = ("application/vnd.cyclonedx+json", "application/spdx+json", "application/vnd.openvex+json")


def check_document(name: str, content: bytes, *images: Image) -> None:
    """Prove that the document `name` is about one of these images.

    :raises ImageError: it is no document of ours, or about another image.
    """
    try:
        digests = list(_digests(read_json(content)))
    except (ValueError, LookupError, TypeError, AttributeError):
        raise ImageError(f"{name} is no document of CycloneDX, SPDX or OpenVEX on an image", _HINT) from None
    known = {digest for image in images for digest in (image.digest, digest_of(image.config.raw)) if digest}
    if known.isdisjoint(digests):
        raise ImageError(f"{name} is about another image, {words(digests[0])}", _HINT)


def _digests(document: Any) -> Iterator[str]:
    """The digests that the document has of its image: of the manifest, and of the configuration."""
    if "bomFormat" in document:
        image = document["metadata"]["component"]
        yield str(image["version"])
        yield from (str(one["value"]) for one in image["properties"] if one["name"] == CONFIG)
    elif "spdxVersion" in document:
        image = document["packages"][0]
        yield str(image["versionInfo"])
        yield str(image["comment"]).removeprefix(f"{CONFIG}=")
    else:
        statement = document["statements"][0]
        identifier = str(statement["products"][0]["@id"])
        yield identifier.partition("@")[2].partition("?")[0].replace("%3A", ":")
        yield str(statement["status_notes"]).removeprefix(f"{CONFIG}=")


def check_attached(image: Image) -> list[str]:
    """The names of the documents that the registry of `image` has about it.

    :raises ImageError: the registry cannot be asked, or one of them is about another image.
    """
    from cntr_core.images.registry.referrers import attached

    # Others attach theirs.
    found = [one for one in attached(image.reference, image.digest, _KINDS) if one.name in NAMES]
    for document in found:
        check_document(document.name, document.content, image)
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
