"""What tells that an image is a half, and which its other half is: labels of the configuration, which engines keep.

The manifest has them as annotations too, and the fat one names the slim one as its subject (image-spec 1.1).
"""

from __future__ import annotations

ROLE = "io.cntr.role"
"""``slim`` or ``fat``."""

PAIR = "io.cntr.pair"
"""The digest of the recipe, the same on both halves."""

ORIGINAL = "io.cntr.original"
"""The digest of the original's configuration."""

FAT = "io.cntr.fat"
"""On the slim half: the digest of the fat one's configuration, by which Docker and Podman know an image."""

FAT_NAME = "io.cntr.fat.name"
"""On the slim half: the fat one's name, as it was saved."""

RUN = "io.cntr.run"
"""On a container that ``cntr slim --engine`` made: who made it, as :func:`cntr_slimmer.runs.engine_leftovers.maker`."""

SLIM_ROLE, FAT_ROLE = "slim", "fat"
