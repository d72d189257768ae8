"""A subject as CycloneDX 1.6 (ECMA-424)."""

from __future__ import annotations

import datetime
from collections.abc import Iterator

from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL

from cntr_core.version import version

from . import CONFIG
from .inventory import Distribution, Part
from .subject import Subject, purl

MEDIA_TYPE = "application/vnd.cyclonedx+json"


def cyclonedx(subject: Subject) -> bytes:
    """The document."""
    image = _image(subject)
    parts = [_component(part, subject.distribution, number) for number, part in enumerate(subject.parts)]
    bom = Bom(
        serial_number=subject.identifier,
        metadata=BomMetaData(
            timestamp=datetime.datetime.fromisoformat(subject.created),
            component=image,
        ),
        components=[*parts, *_system(subject.distribution)],
    )
    bom.metadata.tools.components.add(
        Component(name="cntr", version=version(), type=ComponentType.APPLICATION, bom_ref="tool")
    )
    bom.register_dependency(image, parts)
    text: str = make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=1)
    return text.encode() + b"\n"


def _image(subject: Subject) -> Component:
    said = {"io.cntr.role": subject.role, CONFIG: subject.config}
    if subject.unread:
        said["io.cntr.unread-packages"] = subject.unread
    return Component(
        name=subject.name,
        version=subject.digest,
        type=ComponentType.CONTAINER,
        bom_ref="image",
        purl=PackageURL.from_string(subject.purl),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=subject.digest.removeprefix("sha256:"))],
        properties=[Property(name=name, value=value) for name, value in said.items()],
    )


def _component(part: Part, distribution: Distribution, number: int) -> Component:
    return Component(name=part.name, version=part.version, bom_ref=f"package-{number}", purl=purl(part, distribution))


def _system(distribution: Distribution) -> Iterator[Component]:
    """Scanners look here for the distribution, whose list of vulnerabilities they take."""
    if distribution.name:
        yield Component(
            name=distribution.name,
            version=distribution.version or None,
            type=ComponentType.OPERATING_SYSTEM,
            bom_ref="system",
        )
