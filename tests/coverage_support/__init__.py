"""Measuring code that runs where no data file can be written: processes that have entered a container.

coverage.py saves its data by path when a process ends or executes another program. A session's processes have another
root by then, and other rights. So they hand their data over through a descriptor that was opened before: each appends
one record to a log, and :func:`unpack` makes an ordinary data file of the log.
"""

from __future__ import annotations

import struct

HEADER = struct.Struct("<I")
"""The size of the record that follows."""


def unpack(log: str, data_file: str) -> None:
    """Write the records of `log` as a data file for ``coverage combine``."""
    from coverage import CoverageData

    with open(log, "rb") as records:
        total = CoverageData(basename=data_file)
        while header := records.read(HEADER.size):
            part = CoverageData(no_disk=True)
            part.loads(records.read(HEADER.unpack(header)[0]))
            total.update(part)
        total.write()
