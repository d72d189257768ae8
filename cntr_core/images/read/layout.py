"""OCI image layouts: from index.json to the one manifest that is meant (image-spec 1.1)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ... import labels
from ...errors import ImageError
from ..limits import DEEPEST_INDEX, MOST_MANIFESTS
from ..streams import check_digest
from ..values import INDEXES, MANIFESTS, REF_NAME, Descriptor, ImageConfig, Layer, Platform, Record
from .blobs import Blobs

_LAYER = ("application/vnd.oci.image.layer.", "application/vnd.docker.image.rootfs.")
_NAMES = (REF_NAME, "io.containerd.image.name")
_OTHER_PLATFORM = "use an image for that platform; commands that only read images take another with --platform"


def is_layout(blobs: Blobs) -> bool:
    """Whether `blobs` are those of an image layout."""
    return "oci-layout" in blobs and "index.json" in blobs


def read_layout(blobs: Blobs, tag: str, platform: Platform) -> tuple[str, ImageConfig, tuple[Layer, ...]]:
    """The manifest's digest, the configuration and the layers of the image named `tag` (or the only one).

    :raises ImageError: none or several match, or a document is missing or not what its digest says.
    """
    top = Record.parse(blobs.read("index.json"), "index.json")
    chosen = _by_platform(blobs, _by_name(Descriptor.read_all(top, "manifests"), tag), platform)
    manifest = Record.parse(read_document(blobs, chosen), f"manifest {chosen.digest}")
    config = ImageConfig.parse(read_document(blobs, Descriptor.read(manifest.record("config"))))
    layers = Descriptor.read_all(manifest, "layers")
    check_config(config, platform, len(layers))
    return chosen.digest, config, tuple(map(_layer, layers, config.diff_ids))


def _by_name(descriptors: Sequence[Descriptor], tag: str) -> Sequence[Descriptor]:
    names = sorted({name for one in descriptors for name in _names(one)})
    if tag:
        found = [one for one in descriptors if tag == one.digest or tag in _names(one)]
        if not found:
            raise ImageError(f"it holds no image named {tag!r}", _known(names))
        return found
    if len(names) > 1 and len({one.digest for one in descriptors}) > 1:
        slim = _slim_half(descriptors)
        if not slim:
            raise ImageError("it holds several images", _known(names))
        return slim
    return descriptors


def _slim_half(descriptors: Sequence[Descriptor]) -> list[Descriptor]:
    """What is meant by a layout that holds one pair; nothing where it holds anything else."""
    roles = [one.annotations.get(labels.ROLE) for one in descriptors]
    if sorted(filter(None, roles)) != [labels.FAT_ROLE, labels.SLIM_ROLE] or None in roles:
        return []
    return [one for one, role in zip(descriptors, roles, strict=True) if role == labels.SLIM_ROLE]


def _names(descriptor: Descriptor) -> list[str]:
    return [descriptor.annotations[key] for key in _NAMES if key in descriptor.annotations]


def _known(names: Iterable[str]) -> str:
    return "name one of them after a colon: " + ", ".join(names) if names else "no image in it has a name"


def _by_platform(blobs: Blobs, candidates: Sequence[Descriptor], platform: Platform) -> Descriptor:
    """The manifest for `platform` among `candidates`, through indexes of indexes."""
    manifests = [one for one in _flatten(blobs, candidates) if not _is_attestation(one)]
    exact = [one for one in manifests if one.platform and platform.runs(one.platform)]
    # One manifest need not name a platform: its configuration does, and is checked.
    found = exact or [one for one in manifests if one.platform is None]
    if not found:
        offered = ", ".join(sorted({str(one.platform) for one in manifests})) or "nothing"
        raise ImageError(f"it is for {offered}, not for {platform}", _OTHER_PLATFORM)
    if len({one.digest for one in found}) > 1 and not exact:
        raise ImageError("it holds several images", "name one by its digest after a colon: sha256:…")
    return found[0]


def _flatten(blobs: Blobs, candidates: Sequence[Descriptor]) -> Sequence[Descriptor]:
    """The manifests among the candidates and in their indexes, level by level; an index that is named twice is read
    once."""
    manifests, read = [], set()
    level = candidates
    for _ in range(DEEPEST_INDEX):
        below: list[Descriptor] = []
        for one in level:
            if one.media_type in MANIFESTS:
                manifests.append(one)
            elif one.media_type in INDEXES and one.digest not in read:
                read.add(one.digest)
                below += Descriptor.read_all(
                    Record.parse(read_document(blobs, one), f"index {one.digest}"), "manifests"
                )
            if len(manifests) + len(below) > MOST_MANIFESTS:
                raise ImageError(f"its indexes name more than {MOST_MANIFESTS} manifests")
        if not below:
            return manifests
        level = below
    raise ImageError("its indexes are nested too deeply")


def _is_attestation(descriptor: Descriptor) -> bool:
    """BuildKit files its attestations as manifests for the platform unknown/unknown."""
    return descriptor.platform is not None and descriptor.platform.os == "unknown"


def read_document(blobs: Blobs, descriptor: Descriptor) -> bytes:
    """The manifest, index or configuration; :raises ImageError: missing, or not what its digest says."""
    return blobs.read(blob_path(descriptor.digest), descriptor.digest, descriptor.size)


def blob_path(digest: str) -> str:
    """Where a layout keeps a blob; :raises ImageError: `digest` is none."""
    check_digest(digest)  # it becomes a path
    return "blobs/" + digest.replace(":", "/")


def check_config(config: ImageConfig, platform: Platform, layers: int) -> None:
    """:raises ImageError: the image is for another platform, or has not as many `layers` as it should."""
    if not platform.runs(config.platform):
        raise ImageError(f"it is for {config.platform}, not for {platform}", _OTHER_PLATFORM)
    if layers != len(config.diff_ids):
        raise ImageError(f"its manifest has {layers} layers, its configuration {len(config.diff_ids)}")


def _layer(descriptor: Descriptor, diff_id: str) -> Layer:
    if not descriptor.media_type.startswith(_LAYER):
        raise ImageError(f"layer {descriptor.digest} is of the unknown type {descriptor.media_type!r}")
    check_digest(diff_id)
    blob = blob_path(descriptor.digest)
    return Layer(blob, descriptor.digest, descriptor.size, diff_id, descriptor.media_type)
