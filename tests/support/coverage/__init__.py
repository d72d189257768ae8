"""Measuring code in other processes than that of the tests, also where no data file can be written.

coverage.py makes a data file, a database, for each process that ends, which takes longer than most commands of cntr.
And it does so by path, while a session's processes have another root by then, and other rights. So all processes hand
their data over through a descriptor that was opened before: each appends records to a log, and :func:`unpack` makes one
data file of the log.
"""

from __future__ import annotations

import json
from contextlib import suppress


def unpack(log: str, data_file: str) -> None:
    """Write the records of `log`, each the arcs of some files, as a data file for ``coverage combine``.

    A record that was cut off, as by SIGKILL in the midst of write(2), is left out.
    """
    from coverage import CoverageData

    packed: dict[str, set[int]] = {}
    with open(log, "rb") as records:
        for record in records:
            with suppress(ValueError):
                for file, arcs in (json.loads(record) if record.strip() else {}).items():
                    packed.setdefault(file, set()).update(arcs)
    total = CoverageData(basename=data_file)
    total.add_arcs({file: [_arc(number) for number in arcs] for file, arcs in packed.items()})
    total.write()


def _arc(number: int) -> tuple[int, int]:
    """Two line numbers as coverage.py's tracer packs them (CTracer_record_pair)."""
    first, second = number & 0xFFFFFFF, number >> 28 & 0xFFFFFFF
    return -first if number >> 56 & 1 else first, -second if number >> 57 & 1 else second
