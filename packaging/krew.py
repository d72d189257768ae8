"""For krew, kubectl's manager of plugins: an archive with the file and its license, and a manifest that names it."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tarfile

from wheels import ARCHITECTURES, ROOT, project


def make_krew(pyz: str, machine: str, output: str, address: str) -> None:
    """Write ``kubectl-cntr-MACHINE.tar.gz``, with the file `pyz` in it, and ``krew.yaml`` to the directory `output`,
    whose files will be published below `address`."""
    archive = _archive({"LICENSE": (os.path.join(ROOT, "LICENSE"), 0o644), "kubectl-cntr": (pyz, 0o755)})
    with open(os.path.join(output, f"kubectl-cntr-{machine}.tar.gz"), "wb") as file:
        file.write(archive)
    known = {
        "VERSION": project()["version"],
        "ARCHITECTURE": ARCHITECTURES[machine],
        "ADDRESS": address,
        "MACHINE": machine,
        "SHA256": hashlib.sha256(archive).hexdigest(),
    }
    with open(os.path.join(ROOT, "packaging", "krew.yaml")) as template:
        text = template.read()
    for name, value in known.items():
        text = text.replace(f"@{name}@", value)
    with open(os.path.join(output, "krew.yaml"), "w") as manifest:
        manifest.write(text)


def _archive(members: dict[str, tuple[str, int]]) -> bytes:
    """Files and their modes, by names; without times and owners, so that equal files make equal archives."""
    made = io.BytesIO()
    with gzip.GzipFile(fileobj=made, mode="wb", mtime=0) as packed, tarfile.open(fileobj=packed, mode="w") as archive:
        for name, (path, mode) in members.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = os.path.getsize(path), mode
            with open(path, "rb") as file:
                archive.addfile(member, file)
    return made.getvalue()
