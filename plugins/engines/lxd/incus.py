"""Incus, by its REST API on a local socket."""

from __future__ import annotations

from typing import ClassVar

from cntr_core import Engine, hookimpl

from .api import RestEngine, first_socket


class IncusEngine(RestEngine):
    """The daemon of ``INCUS_SOCKET`` or ``INCUS_DIR``, else the machine's."""

    name: ClassVar[str] = "incus"
    variable: ClassVar[str] = "INCUS_SOCKET"

    def socket(self) -> str:
        usual = ("/run/incus/unix.socket", "/var/lib/incus/unix.socket")  # the first one since Incus 6.5
        return first_socket(self.variable, "INCUS_DIR", usual)


@hookimpl
def cntr_register_engine() -> Engine:
    return IncusEngine()
