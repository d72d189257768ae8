"""What this is called in an index of packages, and its version: ``cntr`` itself is another project's name there."""

from __future__ import annotations

from importlib import metadata

DISTRIBUTION = "cntr-attach"


def version() -> str:
    """The version that is installed.

    :raises importlib.metadata.PackageNotFoundError: cntr runs from files that were not installed.
    """
    return metadata.version(DISTRIBUTION)
