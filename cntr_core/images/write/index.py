"""Putting an image into an index beside what is there: other names, and other platforms of the same name."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..values import INDEX, INDEXES, MANIFESTS, REF_NAME, Descriptor, ImageConfig, Platform, Record
from .documents import Document, describe, describe_platform, dump, index
from .new_image import Blob

Fetch = Callable[[Descriptor], bytes]
"""Gives the document that a descriptor points at, checked; :raises ImageError: it is missing or damaged."""

_OF_MANIFEST = "vnd.docker.reference.digest"  # BuildKit: the manifest that an attestation is about


def parse(raw: bytes, what: str) -> Document:
    """An index; :raises ImageError: it is none; the message names `what`."""
    record = Record.parse(raw, what)
    record.records("manifests")  # they are objects, too
    return record.values


def put(top: Document, name: str, image: Descriptor, fetch: Fetch) -> tuple[Document, list[Blob]]:
    """The layout's index `top` with `image` in it under `name` ("": no name), and the indexes that it needs below.

    What has another name stays as it is.

    :raises ImageError: what is there is damaged.
    """
    entries = list(top.get("manifests") or [])
    same = [entry for entry in entries if _is_called(entry, name, image)]
    entry, new = with_others(same, image, fetch)
    if name:
        entry["annotations"] = {**entry.get("annotations", {}), REF_NAME: name}
    kept = [entry for entry in entries if entry not in same]
    return {**top, "manifests": [*kept, entry]}, new


def with_others(present: Sequence[Document], image: Descriptor, fetch: Fetch) -> tuple[Document, list[Blob]]:
    """One entry for `image` and for those of `present`, all of one name, that are for other platforms.

    It is the image's own where there are no others; else that of an index, which is new.
    """
    if len(present) == 1 and present[0].get("mediaType") in INDEXES:
        return _in_index(present[0], image, fetch)
    others = _others(present, image, fetch)
    if not others:
        return describe(image), []
    return _indexed(index([*(_unnamed(entry) for entry in others), describe(image)]))


def _is_called(entry: Document, name: str, image: Descriptor) -> bool:
    own = (entry.get("annotations") or {}).get(REF_NAME, "")
    return bool(own == name) if name else bool(own == "" and entry.get("digest") == image.digest)


def _in_index(entry: Document, image: Descriptor, fetch: Fetch) -> tuple[Document, list[Blob]]:
    document = parse(fetch(_descriptor(entry)), f"index {entry['digest']}")
    kept = _others(document.get("manifests") or [], image, fetch)
    found, new = _indexed({**document, "manifests": [*kept, describe(image)]}, entry["mediaType"])
    return entry | found, new


def _indexed(document: Document, media_type: str = INDEX) -> tuple[Document, list[Blob]]:
    blob = Blob.of_bytes(dump(document), media_type)
    return describe(blob.descriptor), [blob]


def _others(entries: Sequence[Document], image: Descriptor, fetch: Fetch) -> list[Document]:
    """Those that are no older version of `image`, nor attestations about one; each says its platform."""
    assert image.platform is not None
    wanted = _normal(image.platform)
    replaced, others = {image.digest}, []
    for entry in entries:
        platform = _platform(entry, fetch)
        if platform and _normal(platform) == wanted:
            replaced.add(entry["digest"])
        elif platform and "platform" not in entry:
            others.append(entry | {"platform": describe_platform(platform)})
        else:
            others.append(entry)
    about = ((entry, (entry.get("annotations") or {}).get(_OF_MANIFEST)) for entry in others)
    return [entry for entry, subject in about if entry["digest"] not in replaced and subject not in replaced]


def _platform(entry: Document, fetch: Fetch) -> Platform | None:
    """As the entry says it, or else as the image's configuration does; None for what is no image."""
    descriptor = _descriptor(entry)
    if descriptor.platform or descriptor.media_type not in MANIFESTS:
        return descriptor.platform
    manifest = Record.parse(fetch(descriptor), f"manifest {descriptor.digest}")
    return ImageConfig.parse(fetch(Descriptor.read(manifest.record("config")))).platform


def _normal(platform: Platform) -> Platform:
    """64-bit ARM begins with v8, which some write and others do not (image-spec, image-index.md)."""
    first = {("arm64", "v8"), ("amd64", "v1")}
    known = (platform.architecture, platform.variant) in first
    return Platform(platform.os, platform.architecture) if known else platform


def _unnamed(entry: Document) -> Document:
    annotations = {key: value for key, value in (entry.get("annotations") or {}).items() if key != REF_NAME}
    rest = {key: value for key, value in entry.items() if key != "annotations"}
    return rest | ({"annotations": annotations} if annotations else {})


def _descriptor(entry: Document) -> Descriptor:
    return Descriptor.read(Record(entry, "an entry of the index"))
