"""Names of images in registries."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from ...errors import UsageError
from ..streams import check_digest

_FORM = "write registry://HOST[:PORT]/NAME[:TAG|@DIGEST]"
# distribution-spec 1.1, "Pulling manifests"; the host as in a URL.
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_HOST = r"(?P<host>(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::[0-9]{1,5})?)"
_NAME = rf"(?P<name>{_COMPONENT}(?:/{_COMPONENT})*)"
_TAG = r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9._-]{0,127}))?"
_REFERENCE = re.compile(rf"{_HOST}/{_NAME}{_TAG}(?:@(?P<digest>[a-z0-9]+:[0-9a-f]+))?")
_ENGINE_NAME = re.compile(rf"(?:{_HOST}/)?{_NAME}{_TAG}")


HUB = "docker.io"
HUB_NAMES = (HUB, "index.docker.io", "registry-1.docker.io")
"""Docker's names for its own registry: in references, for logins, and of the server that has the API."""
_HUB_API = "registry-1.docker.io"


def is_engine_name(name: str) -> bool:
    """Whether engines take `name` for an image: ``[HOST[:PORT]/]NAME[:TAG]``."""
    return bool(_ENGINE_NAME.fullmatch(name))


def is_loopback(host: str) -> bool:
    """Whether `host`, without a port, is this machine."""
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class RegistryReference:
    """An image, or all images of one name, in the registry at `host` (``HOST[:PORT]``)."""

    host: str
    name: str
    tag: str = ""
    digest: str = ""

    @classmethod
    def parse(cls, text: str) -> RegistryReference:
        """Read ``[registry://]HOST[:PORT]/NAME[:TAG][@DIGEST]``.

        :raises UsageError: it is not of that form.
        :raises ImageError: the digest is none.
        """
        match = _REFERENCE.fullmatch(text.removeprefix("registry://"))
        if not match:
            raise UsageError(f"'{text}' is not an image in a registry", _FORM)
        if match["digest"]:
            check_digest(match["digest"])
        host, name = match["host"], match["name"]
        if host in HUB_NAMES:
            host, name = HUB, name if "/" in name else f"library/{name}"
        return cls(host, name, match["tag"] or "", match["digest"] or "")

    @property
    def target(self) -> str:
        """What the registry is asked for: the digest, which is more exact, or the tag."""
        return self.digest or self.tag or "latest"

    @property
    def is_local(self) -> bool:
        """Whether the registry is on this machine: such ones speak plain HTTP, as docker takes it, too."""
        return is_loopback(self.host.rpartition(":")[0] if re.search(r":[0-9]+$", self.host) else self.host)

    @property
    def base(self) -> str:
        """Where the registry's API begins."""
        return f"{'http' if self.is_local else 'https'}://{_HUB_API if self.host == HUB else self.host}/v2/"

    def __str__(self) -> str:
        separator = "@" if self.digest else ":"
        return f"{self.host}/{self.name}{separator}{self.target}"
