"""Documents against the schemas of their formats. The libraries are optional ones, and imported when a test asks."""

from __future__ import annotations


def check_cyclonedx(document: str) -> None:
    """The schema of CycloneDX 1.6 in its strict form, which knows no other fields."""
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(document) is None
