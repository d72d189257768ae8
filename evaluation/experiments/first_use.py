#!/usr/bin/env python3
"""From nothing to a slim image of one's own and a session in it, by the commands of docs/how-to/install.md.

    python3 evaluation/experiments/first_use.py DIST [--output FILE]

DIST is what ``packaging/build`` has made. Needs root, docker, mmdebstrap, and the images of the tests. File and package
are used in a root of Debian 12 that has apt and no Python; the image is built and used by docker, without its cache, on
a base that is there. The own image is of a Dockerfile. Times are those of the commands, in seconds, with downloads.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from slim_runs import ROOT, archive, write

sys.path.insert(0, ROOT)
from tests.support.clean_root import CleanRoot
from tests.support.images import docker_image
from tests.support.shown import Shown, shown_in

PAGE = (Path(ROOT) / "docs/how-to/install.md").read_text()
BARE = [
    "apt-get update --quiet=2",
    "apt-get install --yes --quiet=2 python3 runc procps",
]
"""The file's first step: what the page says that it needs, on a Debian that was never asked for packages."""
OWN = "cntr-first-use-shop"
Run = Callable[[str], subprocess.CompletedProcess[str]]


def part(title: str) -> Iterator[Shown]:
    """The commands of a part of the page, about an own image in the place of nginx."""
    text = PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    for shown in shown_in(text):
        yield Shown(shown.command.replace("nginx", "shop"), shown.printed)


def follow(run: Run, steps: list[Shown]) -> dict[str, Any]:
    """Each step and its seconds; one that fails, or prints other than the page says, ends the program."""
    done: list[dict[str, Any]] = []
    for step in steps:
        started = time.perf_counter()
        result = run(f"{{ {step.command}; }} 2>&1")
        done.append({"command": step.command, "seconds": round(time.perf_counter() - started, 2)})
        if result.returncode or step.lacking(result.stdout):
            raise SystemExit(f"{step.command}: code {result.returncode}, prints: {result.stdout}")
    return {"seconds": round(sum(step["seconds"] for step in done), 1), "steps": done}


def in_a_root(bare: str, shared: Path, steps: list[Shown]) -> dict[str, Any]:
    """Follow the steps in a new root that has the released files beside the own image."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as place, CleanRoot(bare, Path(place), shared) as root:
        root.run("sh", "-c", "ln -s /mnt/* /root")
        return follow(lambda command: root.run("sh", "-c", f"cd /root; {command}", timeout=300), steps)


def by_docker(shared: Path, dist: str) -> dict[str, Any]:
    """Build the image as the page says, attach to a container of the own image, and slim the image."""
    build = "docker build --tag cntr --file packaging/Containerfile dist"
    assert f"`{build}`" in PAGE
    lines = [each for each in part("Container image") if each.command.startswith("docker")]
    here = {
        build: f"docker build --no-cache --network host --build-arg BASE={docker_image('debian')} --tag {OWN}-cntr"
        f" --file {ROOT}/packaging/Containerfile {os.path.abspath(dist)}",
        " cntr ": f" {OWN}-cntr ",
        "//web": f"//{OWN}",
    }

    def run(command: str) -> subprocess.CompletedProcess[str]:
        for shown, real in here.items():
            command = command.replace(shown, real)
        return subprocess.run(["sh", "-c", command], cwd=shared, capture_output=True, text=True, timeout=300)

    subprocess.run(["docker", "run", "--detach", "--name", OWN, OWN], check=True, capture_output=True)
    try:
        return follow(run, [Shown(build, ()), *lines])
    finally:
        subprocess.run(["docker", "rm", "--force", OWN], capture_output=True)
        subprocess.run(["docker", "rmi", f"{OWN}-cntr"], capture_output=True)


def make_own(target: Path) -> None:
    """An image as somebody has it: from a Dockerfile, in docker and by ``docker save`` at `target`."""
    dockerfile = f"FROM {docker_image('nginx')}\nRUN echo 'what we sell' > /var/www/html/index.html\n"
    subprocess.run(["docker", "build", "--tag", OWN, "-"], input=dockerfile.encode(), check=True, capture_output=True)
    subprocess.run(["docker", "save", OWN, "--output", target], check=True)


def measure(dist: str, shared: Path, work: str) -> dict[str, Any]:
    for name in os.listdir(dist):
        shutil.copy(os.path.join(dist, name), shared)
    make_own(shared / "shop.tar")
    bare = os.path.join(work, "bare.tar")
    subprocess.run(["mmdebstrap", "--quiet", "--variant=minbase", "bookworm", bare], check=True, timeout=300)
    needed = [Shown(command, ()) for command in BARE]
    slim = list(part("Try it"))
    return {
        "file": in_a_root(bare, shared, [*needed, *part("One file"), *slim]),
        "package": in_a_root(bare, shared, [needed[0], *part("Debian package"), *slim]),
        "image": by_docker(shared, dist),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("dist")
    parser.add_argument("--output")
    arguments = parser.parse_args()
    archive("nginx")
    with tempfile.TemporaryDirectory(dir="/var/tmp") as work:
        shared = Path(work) / "shared"
        shared.mkdir()
        try:
            ways = measure(arguments.dist, shared, work)
        finally:
            subprocess.run(["docker", "rmi", OWN], capture_output=True)
    write("first_use", arguments.output, {"ways": ways})
    for name, way in ways.items():
        print(f"{name:8} {way['seconds']:6.1f} s in {len(way['steps'])} commands")


if __name__ == "__main__":
    main()
