"""The throw-away layer over the tools (``--writable-tools``): what a package manager wants to find and to write.

It lies in memory and is reachable by no path, so it goes with the session's processes, however they end.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from ..kernel import paths

SIZE = "50%"
"""Of memory, at most."""

PACKAGE_MANAGERS = (
    *("etc/apt/apt.conf", "etc/apt/apt.conf.d", "etc/apt/sources.list", "etc/apt/sources.list.d"),
    *("etc/apt/preferences", "etc/apt/preferences.d", "etc/apt/trusted.gpg", "etc/apt/trusted.gpg.d"),
    *("etc/apt/keyrings", "etc/adduser.conf", "etc/deluser.conf", "etc/debconf.conf", "etc/pam.conf"),
    *("var/lib/apt/extended_states", "etc/skel"),
)
"""What apt-get and dpkg read on the host beside what every session shows, as far as every user of the host may read it;
above all not ``auth.conf``, which has passwords."""

DIRECTORIES = (
    *("var/cache/apt/archives/partial", "var/cache/debconf", "var/lib/apt/lists/partial", "var/log/apt"),
    *("var/lib/dpkg/updates", "var/lib/dpkg/info"),
)
"""What apt-get and dpkg want to be there."""

_POLICY = "usr/sbin/policy-rc.d"
"""Asked by invoke-rc.d(8) and deb-systemd-invoke(1)."""
_NO_SERVICES = b"#!/bin/sh\n# a package's service must not start in somebody's container\nexit 101\n"
_LOCALTIME = "etc/localtime"
_OVERRIDES = "var/lib/dpkg/statoverride"
"""Of dpkg(1): they name users and groups that the container does not have."""


def layer_files(rootfd: int, accounts: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files of the layer: `accounts`, which packages add to; the time zone of the root `rootfd`, which a package
    replaces; the word that no service is to be started; and no overrides of owners."""
    files = {**accounts, _POLICY: _NO_SERVICES, _OVERRIDES: b""}
    with suppress(OSError):
        files[_LOCALTIME] = paths.read_in_root(rootfd, _LOCALTIME)
    return files


def mode(path: str) -> int:
    """Of a file of the layer."""
    return 0o755 if path == _POLICY else 0o644
