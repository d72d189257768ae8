"""The JSON of images, as image-spec 1.1 has it. The same values give the same bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ..values import INDEX, MANIFEST, Descriptor, Platform

Document = dict[str, Any]
"""A JSON object. What others wrote into it is kept, known to us or not."""

LAYOUT_MARK = b'{"imageLayoutVersion":"1.0.0"}'


def dump(document: Document | Sequence[Document]) -> bytes:
    """JSON without spaces, in the order of the document."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


def describe(descriptor: Descriptor) -> Document:
    """A descriptor as JSON (image-spec, descriptor.md)."""
    document: Document = {
        "mediaType": descriptor.media_type,
        "digest": descriptor.digest,
        "size": descriptor.size,
    }
    if descriptor.platform:
        document["platform"] = describe_platform(descriptor.platform)
    if descriptor.annotations:
        document["annotations"] = dict(sorted(descriptor.annotations.items()))
    return document


def manifest(
    config: Descriptor, layers: Sequence[Descriptor], annotations: Mapping[str, str], subject: Descriptor | None
) -> Document:
    """An image's manifest (image-spec, manifest.md)."""
    document: Document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": describe(config),
        "layers": [describe(layer) for layer in layers],
    }
    if subject:
        document["subject"] = describe(Descriptor(subject.media_type, subject.digest, subject.size))
    if annotations:
        document["annotations"] = dict(sorted(annotations.items()))
    return document


def artifact(kind: str, config: Descriptor, content: Descriptor, subject: Descriptor) -> Document:
    """The manifest of a document about `subject`, of the media type `kind` (image-spec, "Guidelines for Artifact
    Usage")."""
    document = manifest(config, [content], {}, subject)
    return {**document, "artifactType": kind}


def index(manifests: Sequence[Document] = ()) -> Document:
    """An index (image-spec, image-index.md)."""
    return {"schemaVersion": 2, "mediaType": INDEX, "manifests": list(manifests)}


def describe_platform(platform: Platform) -> Document:
    """A platform as JSON (image-spec, image-index.md)."""
    document = {"architecture": platform.architecture, "os": platform.os}
    return document | ({"variant": platform.variant} if platform.variant else {})
