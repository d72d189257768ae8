"""Measuring code that runs where no data file can be written: processes that have entered a container.

coverage.py saves its data by path when a process ends or executes another program. A session's processes have another
root by then, and other rights. So they hand their data over through a descriptor that was opened before: each appends
one record to a log, and :func:`unpack` makes an ordinary data file of the log.
"""

from __future__ import annotations

import json
import struct

HEADER = struct.Struct("<I")
"""The size of the record that follows."""


def unpack(log: str, data_file: str) -> None:
    """Write the records of `log`, each the arcs of some files, as a data file for ``coverage combine``."""
    from coverage import CoverageData

    arcs: dict[str, set[tuple[int, int]]] = {}
    with open(log, "rb") as records:
        while header := records.read(HEADER.size):
            for file, lines in json.loads(records.read(HEADER.unpack(header)[0])).items():
                arcs.setdefault(file, set()).update(map(tuple, lines))
    total = CoverageData(basename=data_file)
    total.add_arcs(arcs)
    total.write()
