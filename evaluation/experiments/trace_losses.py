#!/usr/bin/env python3
"""Whether the observer of a traced mount loses an access where 32 processes work side by side, by strace(1).

    python3 evaluation/experiments/trace_losses.py [--files 2000] [--processes 32] [--image ARCHIVE] [--output FILE]

Needs root, strace, and the images of the tests, if none is named. The processes read files of the image, some of them
in two processes at once, and look for names that are not there; strace tells what each of them opened. An access is
lost where strace has a path, with its outcome, and the observer has not. Exit code 1 where one is.
"""

from __future__ import annotations

import argparse
import errno
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable

from slim_runs import archive, write
from slim_tracing import regular, traced, unpack_to

_OPENED = re.compile(r'open(?:at)?\((?:AT_FDCWD, )?"((?:[^"\\]|\\.)*)"(?:\.\.\.)?, [^)]*\) += (-?\d+)(?: (E[A-Z]+))?')
_EVERY = 4  # each so manyth file is read by two processes, and has a neighbour that is not there


def work(files: list[bytes], processes: int) -> list[list[bytes]]:
    """The paths that each process opens."""
    shares: list[list[bytes]] = [[] for _ in range(processes)]
    for number, name in enumerate(files):
        shares[number % processes].append(name)
        if not number % _EVERY:
            shares[(number + 1) % processes].append(name)
            shares[(number + 2) % processes].append(name + b".absent")
    return shares


def side_by_side(place: str, shares: Iterable[list[bytes]], log: str) -> None:
    """Read all shares at once, each by a process of its own, under strace."""
    top = os.fsencode(place)
    lists = [b"\0".join(os.path.join(top, name) for name in share) for share in shares]
    with tempfile.TemporaryDirectory() as scratch:
        for number, names in enumerate(lists):
            with open(os.path.join(scratch, str(number)), "wb") as file:
                file.write(names)
        script = 'for list in "$1"/*; do xargs -0 cat <"$list" >/dev/null 2>&1 & done; wait'
        strace = ["strace", "-f", "-qq", "-s", "4096", "-e", "trace=open,openat", "-e", "signal=none", "-o", log]
        subprocess.run([*strace, "sh", "-c", script, "sh", scratch], check=True, timeout=300)


def opened(log: str, place: str) -> dict[bytes, int]:
    """What strace tells of paths below `place`: from the image's root, and errno, 0 where it was opened."""
    found = {}
    with open(log, encoding="utf-8", errors="surrogateescape") as file:
        for path, result, name in _OPENED.findall(_joined(file.read())):
            if path.startswith(f"{place}/"):
                below = path[len(place) :].encode("latin-1").decode("unicode_escape").encode("latin-1")
                found[below] = 0 if int(result) >= 0 else getattr(errno, name)
    return found


def _joined(log: str) -> str:
    """The log with calls in one piece that strace broke because another process came between."""
    pending: dict[str, str] = {}
    lines = []
    for line in log.splitlines():
        pid, _, rest = line.partition(" ")
        rest = rest.strip()
        if rest.endswith("<unfinished ...>"):
            pending[pid] = rest.removesuffix("<unfinished ...>")
        elif rest.startswith("<... "):
            lines.append(pending.pop(pid, "") + rest.partition("resumed>")[2])
        else:
            lines.append(rest)
    return "\n".join(lines)


def measure(image: str, most: int, processes: int) -> dict[str, int]:
    """How many paths were opened and looked for in vain, and of how many the observer knows nothing."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as scratch:
        place, log, native = (os.path.join(scratch, name) for name in ("mount", "log", "native"))
        os.mkdir(place)
        unpack_to(image, native)
        files = [name for name in regular(native, most) if os.path.getsize(os.path.join(os.fsencode(native), name))]
        with traced(image, place) as observer:
            side_by_side(place, work(files, processes), log)
        told = opened(log, place)
        seen = {(access.path, access.errno) for access in observer.records()[0] if access.operation in _TELLING}
    good = [path for path, number in told.items() if not number]
    lost = [path for path, number in told.items() if (path, number) not in seen]
    for path in lost[:10]:
        print(f"lost: {os.fsdecode(path)}", file=sys.stderr)
    return {"opened": len(good), "absent": len(told) - len(good), "lost": len(lost), "files": len(files)}


_TELLING = ("open", "read", "lookup")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--processes", type=int, default=32)
    parser.add_argument("--image", help="default: flask's of the tests")
    parser.add_argument("--output")
    arguments = parser.parse_args()
    found = measure(arguments.image or archive("flask"), arguments.files, arguments.processes)
    write("trace_losses", arguments.output, {"processes": arguments.processes, **found})
    print(", ".join(f"{name} {count}" for name, count in found.items()))
    if found["lost"] or found["opened"] < found["files"]:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
