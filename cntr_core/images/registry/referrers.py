"""Which images name another as their subject (distribution-spec 1.1): how a slim image's fat image is found."""

from __future__ import annotations

import io
from collections.abc import Collection, Iterator, Sequence

from ... import labels
from ..streams import Checked
from ..values import INDEX, Descriptor, Record
from ..write import documents, index
from ..write.new_image import Attachment, PackedImage
from .client import NotFound, Repository
from .pull import fetch_manifest
from .reference import RegistryReference

TITLE = "org.opencontainers.image.title"
"""The annotation of a document with the name of its file."""


def referrers(repository: Repository, digest: str) -> Sequence[Descriptor]:
    """The manifests whose subject is the manifest `digest`, with their annotations.

    :raises ImageError: the registry cannot be reached, or refuses.
    """
    try:
        raw = repository.request("GET", f"referrers/{digest}").content
    except NotFound:
        raw = _noted(repository, digest)
    return Descriptor.read_all(Record.parse(raw, "the list of referrers"), "manifests")


def fat_references(image: str) -> Sequence[str]:
    """The fat images of the slim image ``[registry://]HOST/NAME[:TAG|@DIGEST]``, as references by digest.

    :raises UsageError: `image` names no image in a registry.
    :raises ImageError: the registry cannot be reached, has no such image, or refuses.
    """
    reference = RegistryReference.parse(image)
    with Repository(reference) as repository:
        digest = fetch_manifest(repository, reference.target).descriptor.digest
        fat = [one for one in referrers(repository, digest) if one.annotations.get(labels.ROLE) == labels.FAT_ROLE]
    return [f"registry://{reference.host}/{reference.name}@{one.digest}" for one in fat]


def attached(image: str, digest: str, kinds: Collection[str]) -> Iterator[Attachment]:
    """The documents of these media types about the manifest `digest` of ``[registry://]HOST/NAME[:TAG|@DIGEST]``.

    :raises ImageError: the registry cannot be reached, refuses, or has a document that is not what its digest says.
    """
    with Repository(RegistryReference.parse(image)) as repository:
        for one in referrers(repository, digest):
            manifest = Record.parse(fetch_manifest(repository, one.digest).read(), f"manifest {one.digest}")
            found = Descriptor.read_all(manifest, "layers")
            if len(found) == 1 and found[0].media_type in kinds:
                content = repository.request("GET", f"blobs/{found[0].digest}").content
                Checked(io.BytesIO(content), f"blob {found[0].digest}", found[0].digest).finish()
                yield Attachment(found[0].annotations.get(TITLE, one.digest), found[0].media_type, content)


def add_referrer(repository: Repository, image: PackedImage) -> None:
    """Note `image` with its subject, for a registry that does not do so itself.

    :raises ImageError: the registry cannot be reached, or refuses.
    """
    assert image.subject is not None
    present = index.parse(_noted(repository, image.subject.digest), "the list of referrers")
    manifest = Record.parse(image.manifest.read(), "the manifest").values
    kind = manifest.get("artifactType") or image.config.descriptor.media_type
    entry = documents.describe(image.descriptor) | {"artifactType": kind}
    if "annotations" in manifest:
        entry["annotations"] = manifest["annotations"]
    others = [one for one in present.get("manifests") or [] if one["digest"] != image.descriptor.digest]
    content = documents.dump({**present, "manifests": [*others, entry]})
    headers = {"Content-Type": INDEX}
    repository.request("PUT", f"manifests/{_tag(image.subject.digest)}", content=content, headers=headers)


def _noted(repository: Repository, digest: str) -> bytes:
    """The index that clients keep under a tag of their own ("Referrers Tag Schema"), empty where there is none."""
    try:
        return fetch_manifest(repository, _tag(digest)).read()
    except NotFound:
        return documents.dump(documents.index())


def _tag(digest: str) -> str:
    algorithm, _, value = digest.partition(":")
    return f"{algorithm[:32]}-{value[:64]}"
