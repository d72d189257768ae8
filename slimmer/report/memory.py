"""Reports that this machine remembers by the pair that they are of: ``cntr why`` then needs nothing but the image."""

from __future__ import annotations

import os

import msgspec

from cntr_core.images.write.atomic import replacing, writing
from cntr_core.kept import cache_directory, private_directory

from .schema import Report
from .write import read_report


def _path(pair: str) -> str:
    return os.path.join(cache_directory(), "reports", f"{pair.replace(':', '-')}.json")


def remember(pair: str, report: Report) -> None:
    """Keep the report of the pair with the label `pair`.

    :raises ImageError: it cannot be written.
    """
    path = _path(pair)
    with writing(path):
        private_directory(os.path.dirname(path))
    with replacing(path) as file:
        file.write(msgspec.json.encode(report))


def remembered(pair: str) -> Report | None:
    """The report of that pair; None where it was made elsewhere."""
    path = _path(pair)
    return read_report(path) if os.path.exists(path) else None
