"""The documents on a pair: which there are, and how their files are called."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from cntr_core.errors import UsageError
from cntr_core.images.write.new_image import Attachment, Named
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


Documents = tuple[Attachment, ...]


def documents(report: Report, view: ImageView, packed: Sequence[Named]) -> tuple[Documents, Documents]:
    """The documents on the slim image of `report`, and those on the fat one. `view` is the original, `packed` are both.

    :raises ImageError: the original cannot be read.
    """
    from . import cyclonedx, openvex, spdx
    from .subject import Subject

    parts, system = parts_of(view, read_packages(view)), distribution(view)
    made: list[Documents] = []
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
        own = [
            Attachment(f"{half.role}.cdx.json", cyclonedx.MEDIA_TYPE, cyclonedx.cyclonedx(subject)),
            Attachment(f"{half.role}.spdx.json", spdx.MEDIA_TYPE, spdx.spdx(subject)),
        ]
        if half.role == "slim":
            gone = [part for part in parts if part not in subject.parts]
            vex = Attachment("slim.openvex.json", openvex.MEDIA_TYPE, openvex.openvex(subject, gone))
            own += [vex] * bool(gone)
        made.append(tuple(own))
    slim, fat = made
    return slim, fat


def _is_in(part: Part, paths: Collection[bytes], role: str) -> bool:
    """Whether the image with these files has the package: where nobody knows its files, both do; what has no files at
    all is of the fat image."""
    if part.files is None:
        return True
    return not part.files.isdisjoint(paths) if part.files else role == "fat"
