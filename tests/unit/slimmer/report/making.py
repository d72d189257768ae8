"""Results of slimming for tests, made by the real choice and the real split from a trace that is given."""

from __future__ import annotations

import json
import struct
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from cntr_slimmer.clock import Clock
from cntr_slimmer.pipeline import Slimmed, Verdict
from cntr_slimmer.probes.result import Observation, Outcome
from cntr_slimmer.report.data import collect
from cntr_slimmer.report.schema import File, Report
from cntr_slimmer.rules.builtin import RULES
from cntr_slimmer.runs.observe import Observed
from cntr_slimmer.runs.runner import image_digest
from cntr_slimmer.selection import SelectionOptions, choose
from cntr_slimmer.split.pair import make_pair
from cntr_slimmer.trace.record import Access, AccessTrace, Phase, Process

from cntr_core.images import Image, ImageConfig, open_image
from cntr_core.images.tree.layers import open_layers
from cntr_core.images.write.compress import Compression
from cntr_core.images.write.new_image import Named
from cntr_core.images.write.pack import pack
from tests.unit.images.layouts import directory, file, hard_link, layout, symlink, tar

NET_BIND_SERVICE = struct.pack("<5I", 0x02000001, 1 << 10, 0, 0, 0).decode()  # VFS_CAP_REVISION_2, linux/capability.h
STATUS = b"""\
Package: app
Status: install ok installed
Version: 1.0-2

Package: doc
Status: install ok installed
Version: 3

Package: empty
Status: install ok installed
Version: 0
"""
OUTCOME = Outcome("http:80/", True, 0.0213, "answered 200", (Observation("http:80/", {"status": 200, "length": 5}),))

LOWER = tar(
    *map(directory, ("bin", "usr", "usr/bin", "usr/share", "usr/share/doc", "var/lib/dpkg", "var/lib/dpkg/info")),
    file("usr/bin/app", b"a" * 3000, mode=0o4755),
    hard_link("usr/bin/app-again", "usr/bin/app"),
    symlink("usr/bin/tool", "app"),
    file("usr/bin/dash", b"d" * 500, mode=0o755),
    symlink("bin/sh", "/usr/bin/dash"),
    file(
        "usr/bin/ping",
        b"p" * 70,
        mode=0o755,
        pax_headers={"SCHILY.xattr.security.capability": NET_BIND_SERVICE},
    ),
    file("usr/share/doc/long", b"l" * 90_000),
    file("usr/share/doc/short", b"s" * 10),
    file("var/lib/dpkg/status", STATUS),
    file("var/lib/dpkg/info/app.list", b"/usr\n/usr/bin\n/usr/bin/app\n/usr/bin/tool\n"),
    file("var/lib/dpkg/info/doc.list", b"/usr/share/doc\n/usr/share/doc/long\n/usr/share/doc/short\n"),
)
UPPER = tar(file("etc/app.conf", b"c" * 20), file("usr/share/doc/short", b"S" * 11))
WITHOUT_APPLICATION = SelectionOptions(without_rules=("application",))  # whose all of a small image is
Use = tuple[bytes, bytes, Phase]
USED = (b"/usr/bin/app", b"/usr/bin/tool", b"/etc/app.conf")


def trace(image: Image, used: Sequence[bytes], absent: Sequence[bytes] = (), more: Sequence[Use] = ()) -> AccessTrace:
    """`more` are uses by others than the application: who, what, when."""
    processes = (Process(7, b"/usr/bin/app"), *(Process(9, exe) for exe, *_ in more))
    accesses = [Access(path, "open", 0, 0, 0.5, Phase.START) for path in used]
    accesses += [Access(path, "lookup", 2, 0, 0.6, Phase.PROBE) for path in absent]
    accesses += [Access(path, "read", 0, at, 0.1, phase) for at, (_, path, phase) in enumerate(more, 1)]
    return AccessTrace(image_digest(image), str(image.config.platform), tuple(accesses), processes)


@contextmanager
def slimmed(
    where: Path,
    layers: Sequence[bytes] = (LOWER, UPPER),
    *,
    used: Sequence[bytes] = USED,
    absent: Sequence[bytes] = (),
    more: Sequence[Use] = (),
    wishes: SelectionOptions | None = None,
    verdict: Verdict | None = None,
    history: Sequence[object] = (),
    compression: str = "",
) -> Iterator[tuple[Slimmed, Image]]:
    """A result, whose files live as long as the context."""
    path = layout(where / "layout", *layers, compression=compression)
    verdict = verdict or Verdict((OUTCOME,))
    with (
        open_image(path) as original,
        open_layers(original) as opened,
        tempfile.TemporaryDirectory(dir=where) as scratch,
    ):
        document = {**json.loads(original.config.raw), "history": list(history)}
        image = replace(original, config=ImageConfig.parse(json.dumps(document).encode()))
        accesses = trace(image, used, absent, more)
        selection = choose(opened, image.config, accesses, RULES, wishes or WITHOUT_APPLICATION)
        pair = make_pair(opened, image.config, selection.files, scratch, hollow=selection.hollow, lists=selection.lists)
        phases = {"read": 0.1, "trace": 1.5, "verify": 0.75}
        observed = Observed((OUTCOME,), 0, b"", accesses.accesses, accesses.processes)
        yield Slimmed(pair, accesses, selection, observed, verdict, (), opened, Clock(phases), scratch), image


def packed(result: Slimmed) -> list[Named]:
    halves = (("app:slim", result.pair.slim), ("app:fat", result.pair.fat))
    return [(name, pack(half, result.directory, Compression.GZIP)) for name, half in halves]


def report(where: Path, layers: Sequence[bytes] = (LOWER, UPPER), **more: Any) -> Report:
    """The report of such a result, saved as an archive."""
    with slimmed(where, layers, **more) as (result, image):
        return collect(result, image, packed(result), "out.tar")


def by_path(made: Report) -> dict[str, File]:
    return {file.path: file for file in made.files}
