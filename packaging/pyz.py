"""``cntr.pyz``: one file that Python runs (PEP 441). It holds the tree as an archive, and what unpacks that."""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from collections.abc import Mapping

from wheels import PYTHONS, ROOT

_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The first moment that a zip archive knows: all members are of it, so that equal trees make equal archives."""


def make_pyz(tree: str, machine: str, target: str) -> None:
    """Write the executable file `target` with the directory `tree` in it."""
    inner = _archive(_files(tree))
    with open(os.path.join(ROOT, "packaging", "pyz", "__main__.py"), "rb") as file:
        members = {"__main__.py": file.read(), "contents.py": _contents(inner, machine), "tree.zip": inner}
    with open(target, "wb") as file:
        file.write(b"#!/usr/bin/env python3\n" + _archive(members, zipfile.ZIP_STORED))
    os.chmod(target, 0o755)


def _contents(inner: bytes, machine: str) -> bytes:
    versions = [tuple(int(number) for number in version.split(".")) for version in PYTHONS]
    digest = hashlib.sha256(inner).hexdigest()[:16]
    lines = (f"DIGEST = {digest!r}", f"MACHINE = {machine!r}", f"OLDEST = {versions[0]}", f"NEWEST = {versions[-1]}")
    return "".join(f"{line}\n" for line in lines).encode()


def _files(tree: str) -> dict[str, bytes]:
    found = {}
    for folder, _, names in os.walk(tree):
        for name in names:
            path = os.path.join(folder, name)
            with open(path, "rb") as file:
                found[os.path.relpath(path, tree)] = file.read()
    return found


def _archive(members: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method, compresslevel=9) as archive:
        for name in sorted(members):
            member = zipfile.ZipInfo(name, _EPOCH)
            member.external_attr = 0o100644 << 16
            archive.writestr(member, members[name], method)
    return made.getvalue()
