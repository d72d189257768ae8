"""The Debian package: the tree below /usr/lib/cntr, for every python3 of the distribution that it knows."""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import subprocess

from wheels import ARCHITECTURES, PYTHONS, ROOT, project

_FILES = os.path.join(ROOT, "packaging", "deb")
_COMPLETION = {
    "bash": "usr/share/bash-completion/completions/cntr",
    "zsh": "usr/share/zsh/vendor-completions/_cntr",
    "fish": "usr/share/fish/vendor_completions.d/cntr.fish",
}
"""Where Debian's shells look by themselves for what completes a command."""


def make_deb(tree: str, machine: str, output: str, work: str) -> None:
    """Write ``cntr_VERSION_ARCHITECTURE.deb`` to the directory `output`. `work` is a directory for parts of it."""
    version, architecture = project()["version"], ARCHITECTURES[machine]
    root = os.path.join(work, "root")
    shutil.copytree(tree, os.path.join(root, "usr/lib/cntr"))
    _install("cntr", os.path.join(root, "usr/bin/cntr"), 0o755)
    _link("cntr", os.path.join(root, "usr/bin/kubectl-cntr"))
    _link("../../../bin/cntr", os.path.join(root, "usr/libexec/docker/cli-plugins/docker-cntr"))
    for shell, place in _COMPLETION.items():
        _install(f"../completion/{shell}", os.path.join(root, place), 0o644)
    _install("copyright", os.path.join(root, "usr/share/doc/cntr/copyright"), 0o644)
    _manual(os.path.join(root, "usr/share/man/man1"))
    control = os.path.join(root, "DEBIAN")
    os.mkdir(control)
    for name in ("postinst", "prerm"):
        _install(name, os.path.join(control, name), 0o755)
    _write(os.path.join(control, "md5sums"), _sums(root))
    _write(os.path.join(control, "control"), _control(version, architecture, _size(root)))
    _set_times(root)
    target = os.path.join(output, f"cntr_{version}_{architecture}.deb")
    # With several threads, the bytes would depend on their number.
    line = ["dpkg-deb", "--root-owner-group", "-Zxz", "-z1", "--threads-max=1", "--build", root, target]
    subprocess.run(line, check=True, stdout=subprocess.DEVNULL)


def _control(version: str, architecture: str, size: int) -> str:
    with open(os.path.join(_FILES, "control")) as file:
        return file.read().format(
            version=version,
            architecture=architecture,
            size=size,
            oldest=PYTHONS[0],
            too_new=f"3.{int(PYTHONS[-1].partition('.')[2]) + 1}",
        )


def _sums(root: str) -> str:
    """What debsums(1) and dpkg --verify compare."""
    lines = []
    for path in _files(root):
        with open(os.path.join(root, path), "rb") as file:
            lines.append(f"{hashlib.file_digest(file, 'md5').hexdigest()}  {path}\n")
    return "".join(lines)


def _files(root: str) -> list[str]:
    found = [os.path.join(folder, name) for folder, _, names in os.walk(root) for name in names]
    return sorted(os.path.relpath(path, root) for path in found if "/DEBIAN/" not in path and not os.path.islink(path))


def _size(root: str) -> int:
    """In KiB, as deb-control(5) wants it."""
    return sum(os.path.getsize(os.path.join(root, path)) + 1023 for path in _files(root)) // 1024


def _install(name: str, target: str, mode: int) -> None:
    os.makedirs(os.path.dirname(target), exist_ok=True)
    shutil.copyfile(os.path.join(_FILES, name), target)
    os.chmod(target, mode)


def _manual(target: str) -> None:
    """The manual pages, compressed as Debian's policy wants them, without a time."""
    os.makedirs(target)
    pages = os.path.join(ROOT, "packaging", "man")
    for name in sorted(os.listdir(pages)):
        with open(os.path.join(pages, name), "rb") as page, open(os.path.join(target, f"{name}.gz"), "wb") as file:
            file.write(gzip.compress(page.read(), mtime=0))


def _link(place: str, target: str) -> None:
    os.makedirs(os.path.dirname(target), exist_ok=True)
    os.symlink(place, target)


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, 0o644)


def _set_times(root: str) -> None:
    """dpkg-deb takes later times than $SOURCE_DATE_EPOCH for that, and leaves earlier ones."""
    for folder, _, names in os.walk(root):
        for path in (folder, *(os.path.join(folder, name) for name in names)):
            os.utime(path, (int(os.environ["SOURCE_DATE_EPOCH"]),) * 2, follow_symlinks=False)
