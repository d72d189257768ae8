"""``python -m tests.coverage_support LOG``: write the log's records as data files for ``coverage combine``."""

from __future__ import annotations

import struct
import sys

from coverage import CoverageData


def main(path: str) -> None:
    with open(path, "rb") as log:
        total = CoverageData(basename=".coverage.sessions")
        while header := log.read(4):
            part = CoverageData(no_disk=True)
            part.loads(log.read(struct.unpack("<I", header)[0]))
            total.update(part)
        total.write()


main(sys.argv[1])
