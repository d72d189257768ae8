"""The probes for an image whose user named none: from what its configuration says of itself."""

from __future__ import annotations

import re
from collections.abc import Sequence

from cntr_core.errors import ImageError
from cntr_core.images import ImageConfig
from cntr_core.images.values import Record

from .spec import Exec, Ports, Probe, Quiet

_PATIENCE = Quiet(3)
_SHELL = ("/bin/sh", "-c")
_MOST_PORTS = 50
_EXPOSED = re.compile(r"(?P<first>[0-9]{1,5})(?:-(?P<last>[0-9]{1,5}))?(?:/(?P<protocol>[a-z]+))?", re.IGNORECASE)


def default_probes(config: ImageConfig, until: Sequence[Probe] = ()) -> tuple[tuple[Probe, ...], str]:
    """The probes of an image whose user named none, or only `until`, which come after these; and a sentence about all.

    The image's health check and its exposed TCP ports; without either, and without `until`, running until it ends or
    is quiet for 3 s.

    :raises ImageError: the health check in the configuration is malformed.
    """
    probes: list[Probe] = []
    reasons = []
    if command := health_check(config):
        probes.append(Exec(command))
        reasons.append("the image's health check")
    if ports := tcp_ports(config):
        probes.append(Ports(ports))
        plural = "s" * (len(ports) > 1)
        reasons.append(f"its port{plural} {', '.join(map(str, ports))} (a crawl where HTTP is spoken)")
    if not probes and not until:
        probes.append(_PATIENCE)
        reasons.append(f"to run until the container ends, or accesses no file for {_PATIENCE.seconds:g} s")
    reasons += map(str, until)
    return tuple(probes), f"no --probe given; the default is {' and '.join(reasons)}"


def health_check(config: ImageConfig) -> tuple[str, ...]:
    """The image's HEALTHCHECK as a command, empty where it has none (docker's image configuration: OCI's has no such
    field, and keeps it).

    :raises ImageError: it is malformed.
    """
    if not config.raw:
        return ()
    run = Record.parse(config.raw, "the image's configuration").record("config")
    test = run.record("Healthcheck").texts("Test")
    match test[:1]:
        case () | ("NONE",):
            return ()
        case ("CMD",) if test[1:]:
            return test[1:]
        case ("CMD-SHELL",) if len(test) == 2:
            return (*(run.texts("Shell") or _SHELL), test[1])
    raise ImageError(f"the image's health check is malformed: {list(test)!r}")


def tcp_ports(config: ImageConfig) -> tuple[int, ...]:
    """The TCP ports that the image exposes, in order; ``53/udp`` is none, ``8000-8002`` are three, and more than 50
    are cut: nobody listens on all of them."""
    ports: set[int] = set()
    for text in config.exposed_ports:
        match = _EXPOSED.fullmatch(text)
        if match and (match["protocol"] or "tcp").lower() == "tcp":
            ports.update(range(int(match["first"]), int(match["last"] or match["first"]) + 1))
    return tuple(sorted(port for port in ports if 0 < port < 1 << 16)[:_MOST_PORTS])
