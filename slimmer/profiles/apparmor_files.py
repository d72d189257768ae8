"""From what the runs used and wrote to a profile of AppArmor that its parser takes."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Collection, Iterable, Mapping, Sequence

from cntr_core.images import ImageConfig
from cntr_core.images.tree.tree import File, Tree
from cntr_core.rules import ImageView

from ..request import RunOptions
from ..runs.written import Change
from .apparmor import Written, apparmor_profile
from .made import MadeProfile

KIND = "apparmor"
_PARSER = "apparmor_parser"
_PATIENCE = 60.0
"""Seconds; 20,000 files take it 20."""
MISSED = (
    "no replay: cntr does not load profiles into the kernel",
    "what the probes did not ask for, where that writes to other places",
    "which capabilities and networks are needed: the profile has docker's default",
)
"""What such a profile does not know."""


def written(changes: Iterable[Change], tree: Tree, run: RunOptions, config: ImageConfig) -> Written:
    """Where runs wrote that left `changes` on the image's `tree`."""
    files = {name.path: name.file for name in tree.walk()}
    changed, directories = set(), set()
    free = {os.fsencode(path) for path in (*config.volumes, *run.runtime.volumes)}
    free |= {os.fsencode(mount.target) for mount in run.runtime.mounts}
    for change in changes:
        file = files.get(change.path)
        if not change.is_directory:
            changed.add(change.path)
        elif file is None:
            free.add(change.path)
        elif file.entry.mtime != change.time:
            directories.add(change.path)
    return Written(frozenset(changed & files.keys()), frozenset(directories), frozenset(free))


def made(
    digest: str,
    files: Iterable[File],
    view: ImageView,
    used: Mapping[bytes, Collection[str]],
    places: Written,
    based_on: Sequence[str],
) -> MadeProfile:
    """The profile for the `files` of a slim image. In its name is the original's `digest`, and one of its rules: the
    kernel holds one profile of a name, and another slim image of the same original has other files."""
    rules = apparmor_profile("check", files, view, used, places, ())
    told, trouble = _checked(rules)
    name = f"cntr-{digest[7:19]}-{hashlib.sha256(rules.encode()).hexdigest()[:8]}"
    missed = (*MISSED[:1], told, *MISSED[1:])
    about = [*based_on, *(f"not known: {line}" for line in missed)]
    text = apparmor_profile(name, files, view, used, places, about)
    summary = f"{text.count(chr(10))} lines, not replayed"
    return MadeProfile(KIND, text.encode(), False, trouble, summary, based_on=tuple(based_on), missed=missed)


def _checked(text: str) -> tuple[str, str]:
    """What apparmor_parser(8) says of a profile, which it does not load: for people, and what is wrong with it."""
    parser = shutil.which(_PARSER, path="/usr/sbin:/sbin:/usr/bin:/bin")
    if parser is None:
        return f"whether {_PARSER} takes it, which is not installed here", ""
    line = [parser, "--skip-kernel-load", "--skip-cache", "--quiet"]
    try:
        done = subprocess.run(line, input=text.encode(), capture_output=True, timeout=_PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        return f"whether {_PARSER} takes it, which did not say so within {_PATIENCE:g} s", ""
    if done.returncode == 0:
        return f"whether the kernel holds it as {_PARSER} does, which takes it", ""
    words = done.stderr.decode(errors="replace").strip()
    return f"why {_PARSER} refuses it", f"{_PARSER} refuses the AppArmor profile: {words}"
