"""What a session's root looks like, as constants: which places are the container's, and which are private.

All paths are relative to the root they lie in.
"""

from __future__ import annotations

CONTAINER = "var/lib/cntr"
"""Where the container's whole tree is, with all mounts below it."""

SPECIAL = ("proc", "sys", "dev")
"""Mounts that are the container's own, recursively."""

ACCOUNTS = ("etc/passwd", "etc/group")
"""Files that are made for the session, after the container's; see :mod:`.accounts`."""

FILES = (
    *ACCOUNTS,
    "etc/hosts",
    "etc/hostname",
    "etc/resolv.conf",
    "etc/localtime",
)
"""Files that are the container's own, found there as the container's processes would find them."""

PRIVATE = {"tmp": 0o1777, "run": 0o755, "var/tmp": 0o1777}
"""Directories that are never the tools': ``/run`` of the host has sockets (Docker's among them) that would lead out of
any container. They are empty and writable, and gone after the session, unless they are the container's own."""

RUN = "run"
"""The one of them that is the container's own where it has one: its sockets are there, and links to it are many, such
as ``/var/run``, which a session follows from its own root."""
