#!/usr/bin/env python3
"""How long ``cntr slim`` takes, from an archive to a verified pair: in docker, and in an archive.

    python3 evaluation/experiments/slim_time.py [--runs 5] [--output FILE]

Needs root, a docker daemon, and the images of the tests. Times are whole processes, in seconds, each with an empty
cache; the phases are the program's own. The images take turns, so that a change of the machine's speed reaches all.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
from typing import Any

from slim_runs import PROBES, Run, archive, slim, write

NAME = "cntr-slim-time"
TARGETS = {"docker": f"docker://{NAME}:slim", "archive": "out.tar"}
AIMS = {"nginx": 3.0, "redis": 2.5, "postgres": 8.0, "tomcat": 15.0, "python": 8.0}


def one(recipe: str, target: str) -> Run:
    """A run whose images are removed from docker again."""
    try:
        return slim(archive(recipe), PROBES[recipe], target, NAME)
    finally:
        if target.startswith("docker:"):
            remove = ["docker", "rmi", f"{NAME}:slim", f"{NAME}:fat"]
            subprocess.run(remove, check=False, capture_output=True, timeout=60)


def told(runs: list[Run]) -> dict[str, Any]:
    """Medians, and all that they are made of."""
    names = dict.fromkeys(name for run in runs for name in run.report["phases"])  # not every run needs a repair
    phases = {name: statistics.median(run.report["phases"].get(name, 0.0) for run in runs) for name in names}
    seconds = [run.seconds for run in runs]
    return {
        "median_seconds": round(statistics.median(seconds), 3),
        "median_phases": {name: round(value, 3) for name, value in phases.items()},
        "seconds": seconds,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--output")
    arguments = parser.parse_args()
    runs: dict[tuple[str, str], list[Run]] = {(recipe, kind): [] for recipe in PROBES for kind in TARGETS}
    for _ in range(arguments.runs):
        for (recipe, kind), done in runs.items():
            done.append(one(recipe, TARGETS[kind]))
    measured = {recipe: {kind: told(runs[recipe, kind]) for kind in TARGETS} for recipe in PROBES}
    server = subprocess.run(["docker", "version", "--format", "{{.Server.Version}}"], capture_output=True, text=True)
    about = {"docker": server.stdout.strip(), "runs": arguments.runs, "aims_seconds": AIMS}
    write("slim_time", arguments.output, {**about, "images": measured})
    for recipe, kinds in measured.items():
        print(f"{recipe:10}", *(f"{kind} {row['median_seconds']:6.2f} s " for kind, row in kinds.items()))


if __name__ == "__main__":
    main()
