"""Where images of the corpus are kept: made once, again when their recipe changes, layers shared by hard links."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence

from .corpus.recipes import layers_fingerprint
from .manifest import CORPUS, Entry

QUIETLY = ("nice", "-n", "19", "ionice", "-c3")


Run = Callable[[Sequence[str], str], int]
"""Runs a program, whose words go to a file; gives its exit code."""


def _run(line: Sequence[str], log: str) -> int:
    with open(log, "wb") as file:
        return subprocess.run(line, stdin=subprocess.DEVNULL, stdout=file, stderr=file, check=False).returncode


class Cache:
    """A directory outside the tree: CNTR_CORPUS, or /var/tmp/cntr-corpus."""

    def __init__(self, path: str | None = None) -> None:
        self.path = path or os.environ.get("CNTR_CORPUS", "/var/tmp/cntr-corpus")
        self.scripts = os.path.join(self.path, "scripts")
        self.logs = os.path.join(self.path, "logs")
        self._layers = os.path.join(self.path, "layers")
        self._images = os.path.join(self.path, "images")
        for place in (self.scripts, self.logs, self._layers, self._images):
            os.makedirs(place, exist_ok=True)

    def image(self, entry: Entry) -> str:
        """Where the image is, or will be: an OCI layout."""
        return os.path.join(self._images, f"{entry.name}-{layers_fingerprint(entry.recipe)}")

    def size(self, entry: Entry) -> int:
        """Bytes of all layers, uncompressed."""
        blobs = os.path.join(self.image(entry), "blobs/sha256")
        return sum(status.st_size for status in map(os.DirEntry.stat, os.scandir(blobs)))

    def build(self, entry: Entry, run: Run = _run) -> bool:
        """Make the image where it is missing; False: it cannot be made, and the log says why."""
        if os.path.exists(self.image(entry)):
            return True
        # Packages' own scripts run in the new root, where this machine's TMPDIR may not be.
        line = [
            "env",
            "-u",
            "TMPDIR",
            *QUIETLY,
            sys.executable,
            os.path.join(CORPUS, "build.py"),
            entry.recipe,
            f"{self.image(entry)}/",
        ]
        line += ["--cache", self._layers, "--tag", f"{entry.name}:latest"]
        return run(line, self.log(entry, "build")) == 0

    def log(self, entry: Entry, what: str) -> str:
        """The file with what a step said."""
        return os.path.join(self.logs, f"{entry.name}.{what}")
