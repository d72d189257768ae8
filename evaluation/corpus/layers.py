"""Layers as tars: Debian's base, and what is put on top of others, recorded by an overlay.

Standard library alone; needs root, mmdebstrap, apt and tar. Everything is mounted in the caller's mount namespace.
"""

from __future__ import annotations

import os
import platform
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from recipes import Layer

WITHOUT = ("doc", "man", "locale", "info")
"""Folders of /usr/share that no package brings."""

# apt of the host works on the root, as mmdebstrap has it do: its indexes and the packages' files are kept outside, but
# dpkg, which is the root's own, must see the latter.
APT = """
Dir::Etc "{root}/etc/apt/";
Dir::State::status "{root}/var/lib/dpkg/status";
Dir::State::extended_states "{root}/var/lib/apt/extended_states";
Dir::State::lists "{scratch}/lists/";
Dir::Cache "{scratch}/cache/";
Dir::Cache::archives "{root}/var/cache/apt/archives/";
Dir::Log "{scratch}";
DPkg::Chroot-Directory "{root}";
DPkg::Use-Pty "false";
DPkg::Options {{ "--force-confold"; }};
APT::Install-Recommends "false";
APT::Get::Assume-Yes "true";
APT::Sandbox::User "root";
"""


def apt_sources() -> str:
    """The file that names this machine's own package archive."""
    for path in ("sources.list.d/debian.sources", "sources.list.d/ubuntu.sources", "sources.list"):
        if os.path.exists(full := f"/etc/apt/{path}"):
            return full
    raise SystemExit("build.py: no apt sources found below /etc/apt")


def make_base(kind: str, place: str) -> None:
    """Write Debian's minbase without documentation to ``layer.tar`` and ``root`` in the directory `place`. The ``slim``
    one was made with merged directories, as official images are: nothing had to be merged, so Perl did not come in."""
    tar, root = os.path.join(place, "layer.tar"), os.path.join(place, "root")
    command = ["mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", "--format=tar"]
    command += [f"--dpkgopt=path-exclude=/usr/share/{path}/*" for path in WITHOUT]
    command += ["--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr"] if kind == "slim" else []
    run([*command, platform.freedesktop_os_release()["VERSION_CODENAME"], tar, apt_sources()])
    os.mkdir(root)
    run(["tar", "--extract", "--file", tar, "--directory", root, "--numeric-owner", "--xattrs"])


def make_layer(layer: Layer, below: Sequence[str], scratch: str, target: str) -> str:
    """Write what `layer` changes in the union of the directories `below` (topmost first) to `target`, a tar.

    Gives the directory of what changed, for the next layer. `scratch` is an empty directory, kept as long as that.
    """
    with ExitStack() as stack:
        upper, root = overlay(below, scratch, stack)
        if layer.packages:
            install(layer.packages, root, scratch)
        if layer.copy:
            run(["cp", "--recursive", "--preserve=mode", f"{layer.copy}/.", root])
        for hook in layer.hooks:
            run(["sh", "-euc", hook, "sh", root])
    recorded = os.path.join(scratch, "recorded")
    run(["cp", "--archive", "--reflink=auto", upper, recorded])
    whiteouts(recorded)
    command = ["tar", "--create", "--file", target, "--directory", recorded, "--sort=name", "--numeric-owner"]
    command += ["--format=posix", "--pax-option=delete=atime,delete=ctime"]
    run([*command, "--xattrs", "--xattrs-include=security.capability", "."])
    for name in ("recorded", "lists", "cache"):
        shutil.rmtree(os.path.join(scratch, name), ignore_errors=True)
    return upper


def overlay(below: Sequence[str], scratch: str, stack: ExitStack) -> tuple[str, str]:
    """An empty directory that records the changes, and where the whole is mounted until `stack` is closed."""
    upper, work, root = (os.path.join(scratch, name) for name in ("upper", "work", "root"))
    for path in (upper, work, root):
        os.mkdir(path)
    os.chmod(upper, 0o755)
    options = f"lowerdir={':'.join(below)},upperdir={upper},workdir={work},redirect_dir=off,metacopy=off,index=off"
    options += ",volatile"  # dpkg syncs each file to the disk, and apt more; a build that is cut short is thrown away
    stack.enter_context(mounted("overlay", root, "--types", "overlay", "--options", options))
    return upper, root


def install(packages: Sequence[str], root: str, scratch: str) -> None:
    """Install Debian packages without what they recommend; no service is started, no index is left."""
    for name in ("lists/partial", "cache/archives/partial"):
        os.makedirs(os.path.join(scratch, name))
    settings = os.path.join(scratch, "apt.conf")
    with open(settings, "w") as file:
        file.write(APT.format(root=root, scratch=scratch))
    refuse = os.path.join(root, "usr/sbin/policy-rc.d")
    with ExitStack() as stack:
        stack.enter_context(mounted("proc", f"{root}/proc", "--types", "proc"))
        stack.enter_context(mounted("/dev", f"{root}/dev", "--bind"))
        stack.enter_context(mounted(f"{scratch}/cache/archives", f"{root}/var/cache/apt/archives", "--bind"))
        with open(refuse, "w") as file:
            file.write("#!/bin/sh\nexit 101\n")
        os.chmod(refuse, 0o755)
        stack.callback(os.unlink, refuse)
        environment = {**os.environ, "APT_CONFIG": settings, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
        run(["apt-get", "update"], environment)
        run(["apt-get", "install", *packages], environment)


@contextmanager
def mounted(source: str, target: str, *options: str) -> Iterator[None]:
    """Something mounted within the block."""
    run(["mount", *options, source, target])
    try:
        yield
    finally:
        run(["umount", target])


def whiteouts(upper: str) -> None:
    """Turn an overlay's marks for what was removed into those of image layers (OCI image-spec, layer.md)."""
    for folder, directories, files in os.walk(upper):
        status = os.stat(folder)
        if any(os.getxattr(folder, name) == b"y" for name in os.listxattr(folder) if name == "trusted.overlay.opaque"):
            touch(os.path.join(folder, ".wh..wh..opq"))
        for name in [*directories, *files]:
            path = os.path.join(folder, name)
            found = os.lstat(path)
            if stat.S_ISCHR(found.st_mode) and found.st_rdev == 0:
                os.unlink(path)
                touch(os.path.join(folder, f".wh.{name}"))
        os.utime(folder, ns=(status.st_atime_ns, status.st_mtime_ns))


def touch(path: str) -> None:
    with open(path, "xb"):
        pass


def run(command: Sequence[str], environment: dict[str, str] | None = None) -> None:
    """Run a command that must succeed; what it says is shown when it fails."""
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
        check=False,
    )
    if done.returncode != 0:
        sys.stderr.buffer.write(done.stdout)
        raise SystemExit(f"build.py: {command[0]} failed with code {done.returncode}")
