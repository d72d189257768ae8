"""The documents on a pair: which there are, and how their files are called."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from cntr_core.errors import UsageError
from cntr_core.images.write.new_image import Named
from cntr_core.rules import ImageView
from cntr_core.version import DISTRIBUTION

from ..report.schema import Report
from ..report.text import path_of
from ..rules.package import read_packages
from .inventory import Part, distribution, parts_of


def check_library() -> None:
    """:raises UsageError: what writes the documents is not installed."""
    try:
        import cyclonedx.model.bom  # noqa: F401
        import packageurl  # noqa: F401
    except ImportError:
        raise UsageError("--sbom needs cyclonedx-python-lib", f"pip install '{DISTRIBUTION}[sbom]'") from None


@dataclass(frozen=True, slots=True)
class Document:
    """A document: its file's `name`, its media type, and the `role` of the image that it is about."""

    name: str
    media_type: str
    role: str
    content: bytes


def documents(report: Report, view: ImageView, packed: Sequence[Named]) -> tuple[Document, ...]:
    """All documents on the pair of `report`. `view` is the original, `packed` the slim and the fat image.

    :raises ImageError: the original cannot be read.
    """
    from . import cyclonedx, openvex, spdx
    from .subject import Subject

    parts, system = parts_of(view, read_packages(view)), distribution(view)
    made: list[Document] = []
    for half, (_, image) in zip(report.halves, packed, strict=True):
        there = {path_of(file.path) for file in report.files if file.kept is (half.role == "slim")}
        subject = Subject(
            half.role,
            half.name,
            half.digest,
            image.config.descriptor.digest,
            image.platform.architecture,
            report.created,
            system,
            tuple(part for part in parts if _is_in(part, there, half.role)),
            report.unread_packages,
        )
        made.append(Document(f"{half.role}.cdx.json", cyclonedx.MEDIA_TYPE, half.role, cyclonedx.cyclonedx(subject)))
        made.append(Document(f"{half.role}.spdx.json", spdx.MEDIA_TYPE, half.role, spdx.spdx(subject)))
        if half.role == "slim":
            gone = [part for part in parts if part not in subject.parts]
            made.append(Document("slim.openvex.json", openvex.MEDIA_TYPE, half.role, openvex.openvex(subject, gone)))
    return tuple(made)


def _is_in(part: Part, paths: Collection[bytes], role: str) -> bool:
    """Whether the image with these files has the package; what has no files at all is of the fat image."""
    return not part.files.isdisjoint(paths) if part.files else role == "fat"


def contents(made: Sequence[Document]) -> Mapping[str, bytes]:
    """The files, by their names."""
    return {document.name: document.content for document in made}
