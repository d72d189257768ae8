#!/usr/bin/env python3
"""What a scanner finds in an image, in its slim image, and in the list of what is in that (``cntr slim --sbom``).

    python3 evaluation/experiments/scans.py --syft PROGRAM [--output FILE]

Needs root, the images of the tests, and syft (github.com/anchore/syft, built by ``go install``). A package is doubled
where the scanner has its name twice, or takes a program of it for one without a package.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
from collections import Counter
from typing import Any

from slim_runs import CNTR, PROBES, archive, write

IMAGES = ("nginx", "flask", "redis")


def scan(syft: str, *source: str) -> dict[str, Any]:
    """What the scanner finds: how many packages of each type, and those that it has twice."""
    line = [syft, "scan", "--quiet", *source, "--output", "syft-json"]
    environment = {**os.environ, "SYFT_CHECK_FOR_APP_UPDATE": "false"}
    done = subprocess.run(line, check=True, capture_output=True, timeout=300, env=environment)
    found = json.loads(done.stdout)["artifacts"]
    names = Counter(one["name"] for one in found)
    doubled = {name for name, count in names.items() if count > 1} | {o["name"] for o in found if o["type"] == "binary"}
    types = dict(sorted(Counter(one["type"] for one in found).items()))
    return {"packages": len(found), "types": types, "doubled": sorted(doubled), "names": sorted(names)}


def measure(recipe: str, syft: str) -> dict[str, Any]:
    """The three scans of one image, beside the packages of which the report has a file."""
    image = archive(recipe)
    with tempfile.TemporaryDirectory(dir="/var/tmp") as place:
        line = [CNTR, "slim", image, "--output", "slim.tar", "--fat-output", "fat.tar", "--report", "report", "--sbom"]
        line += [word for probe in PROBES[recipe] for word in ("--probe", probe)]
        subprocess.run(line, cwd=place, check=True, capture_output=True, timeout=300)
        with open(os.path.join(place, "report/report.json")) as file:
            packages = json.load(file)["packages"]
        lists = [f"file:{place}/report/slim.cdx.json", "--override-default-catalogers", "sbom-cataloger"]
        scans = {
            "original": scan(syft, f"oci-archive:{image}"),
            "slim": scan(syft, f"oci-archive:{place}/slim.tar"),
            "sbom": scan(syft, *lists),
        }
    gone = {one["name"] for one in packages if not one.get("kept_files")}
    listed = [name for name in scans["sbom"].pop("names") if name in gone]
    dropped = {name: scan.pop("names") for name, scan in scans.items() if "names" in scan}
    return {
        "image": recipe,
        **scans,
        "without_a_file_left": len(gone),
        "of_these_in_the_sbom": listed,
        "of_these_in_the_slim_image": len(gone & set(dropped["slim"])),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--syft", required=True)
    parser.add_argument("--output")
    arguments = parser.parse_args()
    said = subprocess.run([arguments.syft, "version", "--output", "json"], check=True, capture_output=True)
    measured = [measure(recipe, arguments.syft) for recipe in IMAGES]
    for row in measured:
        counts = "  ".join(f"{name} {row[name]['packages']:4}" for name in ("original", "slim", "sbom"))
        print(f"{row['image']:8} {counts}  doubled {row['slim']['doubled']}  gone {row['without_a_file_left']}")
    version = json.loads(said.stdout)["version"]
    write("scans", arguments.output, {"syft": version, "images": measured})


if __name__ == "__main__":
    main()
