"""Files copied to and from running containers: by descriptors, inside the container's root, and without its help."""

from .copy import CopyOptions, copy_in, copy_out
from .summary import Summary, Watcher, unwatched

__all__ = ["CopyOptions", "Summary", "Watcher", "copy_in", "copy_out", "unwatched"]
