"""LXD, by its REST API on a local socket."""

from __future__ import annotations

from typing import ClassVar

from .api import RestEngine, first_socket


class LxdEngine(RestEngine):
    """The daemon of ``LXD_SOCKET`` or ``LXD_DIR``, else the snap's, else the distribution's."""

    name: ClassVar[str] = "lxd"
    variable: ClassVar[str] = "LXD_SOCKET"

    def socket(self) -> str:
        usual = ("/var/snap/lxd/common/lxd/unix.socket", "/var/lib/lxd/unix.socket")
        return first_socket(self.variable, "LXD_DIR", usual)
