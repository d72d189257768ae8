#!/usr/bin/env python3
"""How small images get, beside what was published of other slimming tools for images of the same kind.

    python3 evaluation/experiments/slim_sizes.py [--output FILE]

Needs root and the images of the tests. Sizes are of files' contents, in bytes. The peers' images were built from the
same Debian packages, but with other bases: so their slim sizes can be compared, their originals only roughly.
"""

from __future__ import annotations

import argparse
from typing import Any

from slim_runs import ALL_OF_FLASK, PROBES, archive, slim, write

# slimtoolkit 1.40.11 and mint 1.41.8, as measured by the project before it had a slimmer of its own.
PEERS = {
    "nginx": {"original": 179_800_000, "slim": 9_950_000, "kept": 91, "result": "works; world-writable /etc"},
    "redis": {"original": 177_300_000, "slim": 18_200_000, "kept": 87, "result": "SAVE fails as its own user"},
    "flask": {"original": 214_400_000, "slim": 27_700_000, "kept": 549, "result": "2 of 10 endpoints as before"},
}


def measure(recipe: str, probes: list[str]) -> dict[str, Any]:
    """What became of one image."""
    report = slim(archive(recipe), probes, "out.tar", "app").report
    content = report["content"]
    kept = [file for file in report["files"] if "rule" in file]
    traced = sum(file.get("bytes", 0) for file in kept if file["rule"] == "trace")
    return {
        "probes": probes,
        "original": content["bytes"],
        "slim": content["kept_bytes"],
        "less_percent": round(100 * (1 - content["kept_bytes"] / content["bytes"]), 1),
        "files": content["files"],
        "kept": content["kept_files"],
        "slim_by_the_trace_alone": traced,
        "verified": report["verified"],
        "slim_to_peers_slim": round(content["kept_bytes"] / PEERS[recipe]["slim"], 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--output")
    arguments = parser.parse_args()
    wanted = [("nginx", PROBES["nginx"]), ("redis", PROBES["redis"])]
    wanted += [("flask", PROBES["flask"]), ("flask", ALL_OF_FLASK)]
    measured = []
    for recipe, probes in wanted:
        row = {"image": recipe, **measure(recipe, probes)}
        measured.append(row)
        print(
            f"{recipe:8} {len(probes):2} probes  {row['slim'] / 1e6:7.2f} MB  {row['slim_to_peers_slim']:.2f} of peers'"
        )
    source = "slimtoolkit 1.40.11, mint 1.41.8: the project's table of peers, same packages and probes, another base"
    write("slim_sizes", arguments.output, {"runs": 1, "images": measured, "peers": PEERS, "peers_source": source})


if __name__ == "__main__":
    main()
