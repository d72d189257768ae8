#!/usr/bin/env python3
"""What watching costs: stat(2), and open+read+close, on an image's traced mount, against the same files unpacked.

    python3 evaluation/experiments/slim_tracing.py [--runs 5] [--files 2000] [--output FILE]

Needs root and the images of the tests. *cold* is a fresh mount, whose server has seen no file, and for native a dropped
page, dentry and inode cache; *warm* is the second pass. Both sides take turns. The process that measures is in the
mount namespace of the mount, and no other process's; times are in microseconds a file.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cntr_slimmer.trace.observer import TraceObserver
from slim_runs import archive, write

Work = Callable[[bytes], object]


def read(path: bytes) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    while os.read(descriptor, 1 << 17):
        pass
    os.close(descriptor)


WORK: dict[str, Work] = {"stat": os.lstat, "open+read+close": read}


def passes(root: str, files: list[bytes], work: Work) -> tuple[float, float]:
    """Microseconds a file of the first pass and of the second one."""
    paths = [os.path.join(os.fsencode(root), name) for name in files]
    found = []
    for _ in range(2):
        started = time.perf_counter()
        for path in paths:
            work(path)
        found.append((time.perf_counter() - started) / len(paths) * 1e6)
    return found[0], found[1]


def regular(root: str, most: int) -> list[bytes]:
    """The relative paths of regular files, evenly picked."""
    top = os.fsencode(root)
    paths = [os.path.join(folder, name) for folder, _, names in os.walk(top) for name in names]
    found = [os.path.relpath(path, top) for path in paths if os.path.isfile(path) and not os.path.islink(path)]
    found.sort()
    return found[:: max(1, len(found) // most)][:most]


def drop_caches() -> None:
    os.sync()
    with open("/proc/sys/vm/drop_caches", "w") as file:
        file.write("3\n")


@contextmanager
def traced(image_path: str, place: str) -> Iterator[TraceObserver]:
    """The image at `place`, as ``cntr slim`` shows it to the container that it watches: without the overlay on top."""
    from cntr_core import MountRequest
    from cntr_core.images import open_image
    from cntr_core.images.tree.layers import open_layers
    from cntr_core.kernel.mounts import AT_FDCWD, MNT_DETACH, move_mount, umount2
    from cntr_core.plugins import load

    observer = TraceObserver()
    backend = {filesystem.name: filesystem for filesystem in load().filesystems}["direct"]
    with open_image(image_path) as image, open_layers(image) as layers:
        request = MountRequest(branches=[layers.branch()], immutable=True, source="cntr-image", observer=observer)
        with backend.mount(request) as mount:
            move_mount(mount.fd, "", AT_FDCWD, place)
            try:
                yield observer
            finally:
                umount2(place, MNT_DETACH)


def measure(side: str, image: str, place: str, files: list[bytes], work: Work) -> tuple[float, float]:
    """Cold and warm times of one side; in a process of its own, so that mounts begin as new."""
    drop_caches()
    if side == "native":
        return passes(place, files, work)
    with traced(image, place) as observer:
        measured = passes(place, files, work)
    seen = {access.path for access in observer.records()[0]}
    if missed := {b"/" + name for name in files} - seen:
        raise SystemExit(f"{len(missed)} accesses were not seen")
    return measured


def in_child(side: str, image: str, place: str, files: list[bytes], name: str) -> tuple[float, float]:
    """:func:`measure` in a child of its own interpreter."""
    line = [sys.executable, os.path.abspath(__file__), "--child", side, image, place, name]
    told = json.dumps([os.fsdecode(file) for file in files])
    done = subprocess.run(line, input=told, stdout=subprocess.PIPE, text=True, check=True, timeout=300)
    cold, warm = json.loads(done.stdout)
    return cold, warm


def child(side: str, image: str, place: str, name: str) -> None:
    files = [os.fsencode(file) for file in json.load(sys.stdin)]
    print(json.dumps(measure(side, image, place, files, WORK[name])))


def main() -> None:
    if sys.argv[1:2] == ["--child"]:
        child(*sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--output")
    arguments = parser.parse_args()
    image = archive("flask")
    with tempfile.TemporaryDirectory(dir="/var/tmp") as scratch:
        native, mount = os.path.join(scratch, "native"), os.path.join(scratch, "mount")
        os.mkdir(mount)
        unpack_to(image, native)
        files = regular(native, arguments.files)
        places = {"native": native, "traced": mount}
        times: dict[str, dict[str, list[float]]] = {}
        for _ in range(arguments.runs):
            for name in WORK:
                for side, place in places.items():
                    for state, value in zip(("cold", "warm"), in_child(side, image, place, files, name), strict=True):
                        times.setdefault(f"{name}, {state}", {}).setdefault(side, []).append(round(value, 2))
    medians = {what: {side: statistics.median(values) for side, values in row.items()} for what, row in times.items()}
    ratios = {what: round(row["traced"] / row["native"], 2) for what, row in medians.items()}
    for name in WORK:  # the strictest view: what a file costs at its first access, had it been in the caches natively
        cold, warm = medians[f"{name}, cold"]["traced"], medians[f"{name}, warm"]["native"]
        ratios[f"{name}, traced cold to native warm"] = round(cold / warm, 2)
    about = {"runs": arguments.runs, "files": len(files), "image": "flask", "backend": "direct"}
    aims = {"warm": 1.5, "cold": 3}
    told = {"traced_to_native": ratios, "median_microseconds_a_file": medians, "microseconds_a_file": times}
    write("slim_tracing", arguments.output, {**about, "aims_traced_to_native": aims, **told})
    for what, ratio in ratios.items():
        print(f"{what:46} {ratio:6.2f}x")


def unpack_to(image_path: str, target: str) -> None:
    """The image as a directory."""
    from cntr_core.images import open_image, unpack

    with open_image(image_path) as image:
        unpack(image, target)


if __name__ == "__main__":
    main()
