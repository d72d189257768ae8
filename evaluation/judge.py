"""A slim image, judged: what still works, and whether it joins. For a process of its own.

The workloads are those that drove the trace, and those that did not; the proofs are computed here, not believed.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict

from cntr_slimmer.split.joined import OpenPair
from cntr_slimmer.split.package_lists import LISTS

from cntr_core.images import Image, open_image
from cntr_core.images.tree.diff import difference
from cntr_core.images.tree.layers import open_layers
from cntr_core.plugins import load

from .manifest import Entry
from .trial import tried

_MOST = 20
_LISTS = [name.strip(b"/") for name in LISTS]


def judge(entry: Entry, original: str, slim: str, fat: str, scripts: str) -> None:
    """Print lines of JSON: one for each step, and one with what the comparison with the original found."""
    started = time.monotonic()
    for step in tried(entry, slim, scripts):
        print(json.dumps({"step": asdict(step)}), flush=True)
    tested = time.monotonic()
    engines = load().engines
    with open_image(original, engines=engines) as whole, open_image(slim) as half:
        found = list(_differences(whole, half))
        with open_image(fat) as other:
            joined = _joins(whole, half, other)
    seconds = {"check": round(tested - started, 1), "join": round(time.monotonic() - tested, 1)}
    print(json.dumps({"joined": joined, "differences": found[:_MOST], "seconds": seconds}), flush=True)


def _differences(whole: Image, half: Image) -> Iterator[str]:
    """What the slim image has otherwise than the original; what it lacks is no difference, and neither is its shorter
    list of packages, which `cntr verify` proves."""
    with open_layers(whole) as before, open_layers(half) as after:
        for change in difference(before, after):
            if change.kind != "removed" and change.path.strip(b"/") not in _LISTS:
                yield f"{change.path.decode(errors='replace')}: {', '.join(change.what) or change.kind}"


def _joins(whole: Image, half: Image, other: Image) -> bool:
    """Whether both halves give the layers that the original's configuration names, and that configuration."""
    pair = OpenPair.of(half, other)
    found = [_digest(pieces) for _, pieces in pair.layers()]
    wanted = json.loads(whole.config.raw)["rootfs"]["diff_ids"]
    if found != wanted:
        print(f"the layers of both halves: {found}; of the original: {wanted}", file=sys.stderr)
    return found == wanted and pair.split_map.config == whole.config.raw


def _digest(pieces: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return f"sha256:{digest.hexdigest()}"
