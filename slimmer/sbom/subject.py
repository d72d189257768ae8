"""What a document is about: one of both images."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from packageurl import PackageURL

from .inventory import Distribution, Part


@dataclass(frozen=True, slots=True)
class Subject:
    """An image with its packages. `role` is ``slim`` or ``fat``, `digest` its manifest's, `config` its configuration's,
    `created` when it was made, in UTC (ISO 8601)."""

    role: str
    name: str
    digest: str
    config: str
    architecture: str
    created: str
    distribution: Distribution
    parts: tuple[Part, ...]
    unread: str = ""

    @property
    def purl(self) -> str:
        """The image's package URL, of type ``oci``."""
        last = self.name.partition("@")[0].rpartition("/")[2].partition(":")[0].lower()
        qualifiers = {"arch": self.architecture}
        return str(PackageURL("oci", name=last or self.role, version=self.digest, qualifiers=qualifiers))

    @property
    def identifier(self) -> uuid.UUID:
        """Another for each image and each time of writing."""
        return uuid.uuid5(uuid.NAMESPACE_URL, f"{self.purl} {self.created}")


def purl(part: Part, distribution: Distribution) -> PackageURL | None:
    """The package URL (https://github.com/package-url/purl-spec); None where the name is none that could have one."""
    namespace, name, qualifiers = "", part.name, {}
    if part.kind in ("deb", "apk"):
        namespace = distribution.name
        qualifiers = {"arch": part.architecture, "upstream": part.source}
        qualifiers["distro"] = f"{distribution.name}-{distribution.version}".strip("-")
    elif part.kind == "npm" and name.startswith("@"):
        namespace, _, name = name.partition("/")
    try:
        return PackageURL(part.kind, namespace, name, part.version, {k: v for k, v in qualifiers.items() if v})
    except ValueError:
        return None


def matching_purl(part: Part, distribution: Distribution) -> str:
    """The package URL by which scanners know the package in a VEX document, empty where it has none. A statement fits
    where each of its qualifiers is the scanner's own, and they write the distribution and the source differently."""
    found = purl(part, distribution)
    if found is None:
        return ""
    architecture = {"arch": part.architecture} if part.architecture else {}
    return str(found._replace(qualifiers=architecture))
