"""The one layer of a toolbox: what packages bring, where it belongs, and what their scripts would have done that tools
need.

Nothing is run. The same packages give the same bytes.
"""

from __future__ import annotations

import copy
import io
import posixpath
import re
import tarfile
from collections.abc import Iterable

from ..errors import ImageError
from .deb import Deb
from .packages import Package

_MERGED = ("bin", "sbin", "lib", "lib32", "lib64", "libx32", "libo32")
"""Directories of the root that are links into ``/usr`` (Debian policy 10.1, usrmerge); packages may still name them."""
_LEFT_OUT = re.compile(r"usr/share/(doc|man|info|locale|lintian|bug|doc-base)/")
_LICENCE = re.compile(r"usr/share/doc/[^/]+(/copyright)?")
_INFO = "var/lib/dpkg/info"
_OF_DPKG = {
    "md5sums", "conffiles", "shlibs", "symbols", "triggers", "templates", "config",
    "preinst", "postinst", "prerm", "postrm",
}  # fmt: skip
_LARGEST_SCRIPT = 4 << 20

ALTERNATIVES = {
    "usr/bin/awk": ("gawk", "mawk"),
    "usr/bin/editor": ("vim.basic", "vim.tiny", "nano"),
    "usr/bin/nc": ("nc.openbsd", "nc.traditional"),
    "usr/bin/pager": ("less", "more"),
    "usr/bin/vi": ("vim.basic", "vim.nox", "vim.tiny"),
    "usr/bin/vim": ("vim.basic", "vim.nox", "vim.tiny"),
}
"""Names of programs, and which of them it is: what update-alternatives(1) does in the packages' scripts."""
_CERTIFICATES = "usr/share/ca-certificates/mozilla/"
_BUNDLE = "etc/ssl/certs/ca-certificates.crt"
_ACCOUNTS = {"usr/share/base-passwd/passwd.master": "etc/passwd", "usr/share/base-passwd/group.master": "etc/group"}


class Tree:
    """Writes packages, and what belongs to them, into the layer `tar`; no time in it is later than `date`."""

    def __init__(self, tar: tarfile.TarFile, date: int) -> None:
        self._tar = tar
        self._date = date
        self._names: set[str] = set()
        self._status: list[str] = []
        self._certificates: dict[str, bytes] = {}
        self._links: set[str] = set()

    def add(self, package: Package, deb: Deb) -> None:
        """A package's files, and what dpkg(1) knows of it; :raises ImageError: it is damaged."""
        with deb.tar("data") as data:
            names = [self._add_member(data, member) for member in data]
        with deb.tar("control") as control:
            files = {member.name.lstrip("./"): _read(control, member) for member in control if member.isreg()}
        if "control" not in files:
            raise ImageError(f"the archive's package {package.name} does not describe itself", "try another mirror")
        listed = "".join(f"/{name}\n" if name else "/.\n" for name in names)
        self._note(package, {**files, "list": listed.encode()})

    def finish(self, extra: Iterable[tuple[str, bytes]]) -> None:
        """What no package has: links, certificates in one file, dpkg's own files, and `extra`, by path."""
        for name in sorted(self._links):
            self._link(name, f"usr/{name}")
        for name, programs in ALTERNATIVES.items():
            found = next((each for each in programs if f"usr/bin/{each}" in self._names), None)
            if found and name not in self._names:
                self._link(name, found)
        if self._certificates:
            self.file(_BUNDLE, b"".join(self._certificates[name] for name in sorted(self._certificates)))
        self.file("var/lib/dpkg/status", "\n".join(self._status).encode())
        self.file(f"{_INFO}/format", b"1\n")
        for path, content in extra:
            self.file(path, content)

    def file(self, path: str, content: bytes, mode: int = 0o644) -> None:
        """A file of ours, and the directories that lead to it."""
        self._parents(path)
        member = self._made(path, tarfile.REGTYPE, mode)
        member.size = len(content)
        self._tar.addfile(member, io.BytesIO(content))

    def _add_member(self, data: tarfile.TarFile, source: tarfile.TarInfo) -> str:
        """Write one member, if it is to be there; its name as the package has it."""
        original = posixpath.normpath(f"/{source.name}").lstrip("/")
        name = self._merged(original)
        if _is_left_out(name) or name in self._names or original in _MERGED or not _is_kept(source):
            return original
        member = copy.copy(source)
        member.name, member.pax_headers = name or ".", {}
        member.uname = member.gname = ""
        member.mtime = min(int(source.mtime), self._date)
        if member.islnk():
            member.linkname = self._merged(posixpath.normpath(f"/{source.linkname}").lstrip("/"))
        self._names.add(name)
        kept = source.isreg() and (name.startswith(_CERTIFICATES) or name in _ACCOUNTS)
        content = _read(data, source) if kept else None
        if content is not None:
            self._tar.addfile(member, io.BytesIO(content))
            self._keep(name, content)
        else:
            self._tar.addfile(member, data.extractfile(source) if source.isreg() else None)
        return original

    def _merged(self, name: str) -> str:
        """Where `name` is in a root whose ``/bin`` is a link to ``/usr/bin``."""
        top = name.partition("/")[0]
        if top not in _MERGED:
            return name
        self._links.add(top)
        return f"usr/{name}"

    def _keep(self, name: str, content: bytes) -> None:
        if name in _ACCOUNTS:
            self.file(_ACCOUNTS[name], content)
        elif name.endswith(".crt"):
            self._certificates[name] = content

    def _note(self, package: Package, files: dict[str, bytes]) -> None:
        """What dpkg has of an installed package (dpkg(1), FILES)."""
        paragraph = files["control"].decode(errors="replace").strip("\n")
        head, _, rest = paragraph.partition("\n")
        self._status.append(f"{head}\nStatus: install ok installed\n{rest}\n")
        same = "\nMulti-Arch: same" in paragraph
        stem = f"{package.name}:{package.architecture}" if same else package.name
        for name in sorted({*_OF_DPKG, "list"} & files.keys()):
            script = name in ("preinst", "postinst", "prerm", "postrm", "config")
            self.file(f"{_INFO}/{stem}.{name}", files[name], 0o755 if script else 0o644)

    def _link(self, path: str, target: str) -> None:
        self._parents(path)
        member = self._made(path, tarfile.SYMTYPE, 0o777)
        member.linkname = target
        self._tar.addfile(member)

    def _parents(self, path: str) -> None:
        parts = path.split("/")[:-1]
        for depth in range(1, len(parts) + 1):
            parent = "/".join(parts[:depth])
            if parent not in self._names:
                self._tar.addfile(self._made(parent, tarfile.DIRTYPE, 0o755))

    def _made(self, path: str, kind: bytes, mode: int) -> tarfile.TarInfo:
        member = tarfile.TarInfo(path)
        member.type, member.mode, member.mtime = kind, mode, self._date
        self._names.add(path)
        return member


def _is_left_out(name: str) -> bool:
    """Pages for reading, as in the images that Debian makes; but never a licence."""
    return _LEFT_OUT.match(name) is not None and not _LICENCE.fullmatch(name)


def _is_kept(member: tarfile.TarInfo) -> bool:
    """No package has devices: their scripts made them, when there was no devtmpfs."""
    return member.isreg() or member.isdir() or member.issym() or member.islnk()


def _read(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    return file.read(_LARGEST_SCRIPT) if file else b""
