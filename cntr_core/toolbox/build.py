"""From the names of packages to an image of them."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Protocol

from .. import version
from ..dataclass import dataclass
from ..errors import ImageError
from ..images.streams import Counter
from ..images.values import Platform
from ..images.write import documents
from ..images.write.new_image import NewImage, PlainLayer
from .archive import Archive, Source
from .deb import opened_deb
from .packages import Package, checked_names, closure
from .tree import Tree

DEFAULT_PACKAGES = (
    "apt", "bash", "bind9-dnsutils", "ca-certificates", "curl", "file", "gdb", "htop", "iproute2", "iputils-ping",
    "less", "lsof", "netcat-openbsd", "procps", "psmisc", "strace", "tcpdump", "vim-tiny",
)  # fmt: skip
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_DEBIANS = {"amd64": "amd64", "arm64": "arm64", "386": "i386", "ppc64le": "ppc64el", "s390x": "s390x"}
_KEYRING = "usr/share/keyrings/cntr-toolbox.gpg"


def architecture() -> str:
    """Debian's name for this machine; :raises ImageError: it has none."""
    here = Platform.host().architecture
    if here not in _DEBIANS:
        raise ImageError(f"no packages of Debian are known for {here}", "build the toolbox on another machine")
    return _DEBIANS[here]


@dataclass(frozen=True, slots=True)
class Toolbox:
    """What was made: the image, and what is in it."""

    image: NewImage
    packages: tuple[Package, ...]


class Progress(Protocol):
    """Is told of the steps."""

    def say(self, text: str) -> None:
        """A new step."""

    def counting(self, what: str, total: int | None) -> Counter:
        """What is told how many more bytes of `total` are done as `what`."""


def build(source: Source, names: Sequence[str], work: str, progress: Progress) -> Toolbox:
    """The image of the packages called `names` and all that they need; its layer lies in the directory `work`.

    `SOURCE_DATE_EPOCH` is the latest time in it, else the time when the suite was published: so the same archive gives
    the same image.

    :raises UsageError: a name or the source makes no sense, or there is no such package.
    :raises ImageError: the archive cannot be read, is not signed, or is damaged.
    """
    import httpx

    wanted = checked_names(names)
    source.check()
    # As apt asks: the lists have the digests of files as they are, not as a server would compress them.
    headers = {"User-Agent": f"cntr/{version.version()}", "Accept-Encoding": "identity"}
    with httpx.Client(follow_redirects=True, timeout=60, headers=headers) as client:
        progress.say("reading the archive")
        archive = Archive(source, client, work)
        packages = closure(archive.index(), wanted)
        date = min(archive.date, _epoch(archive.date))
        count = progress.counting("downloading", sum(package.size for package in packages))
        paths = [archive.fetch(package, count) for package in packages]
    progress.say("unpacking")
    layer = _layer(source, packages, paths, os.path.join(work, "layer.tar"), date)
    return Toolbox(NewImage(_config(layer, date), (layer,)), tuple(packages))


def _epoch(otherwise: int) -> int:
    """`SOURCE_DATE_EPOCH` (reproducible-builds.org/specs/source-date-epoch); :raises ImageError: it is no number."""
    text = os.environ.get("SOURCE_DATE_EPOCH")
    if text is None:
        return otherwise
    if not text.isdecimal():
        raise ImageError(f"SOURCE_DATE_EPOCH is '{text}'", "set it to seconds since 1970, or not at all")
    return int(text)


def _layer(source: Source, packages: Sequence[Package], paths: Sequence[str], target: str, date: int) -> PlainLayer:
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as tar:
        tree = Tree(tar, date)
        for package, path in zip(packages, paths, strict=True):
            with opened_deb(path) as deb:
                tree.add(package, deb)
            os.unlink(path)
        with open(source.keyring, "rb") as keys:
            tree.finish([("etc/apt/sources.list.d/toolbox.list", _apt_line(source)), (_KEYRING, keys.read())])
    return PlainLayer.of_file(target)


def _apt_line(source: Source) -> bytes:
    """So that apt-get(8) goes on with the same archive (sources.list(5))."""
    return f"deb [signed-by=/{_KEYRING}] {source.mirror} {source.suite} main\n".encode()


def _config(layer: PlainLayer, date: int) -> bytes:
    created = datetime.fromtimestamp(date, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return documents.dump(
        {
            "created": created,
            **documents.describe_platform(Platform.host()),
            "config": {"Env": [f"PATH={_PATH}"], "Cmd": ["/bin/bash"]},
            "rootfs": {"type": "layers", "diff_ids": [layer.diff_id]},
            "history": [{"created": created, "created_by": "cntr toolbox build"}],
        }
    )
