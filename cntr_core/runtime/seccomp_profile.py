"""Profiles in docker's format (``--security-opt seccomp=FILE``), and the ``linux.seccomp`` that one makes for a
container: some of its rules hold with certain capabilities, architectures or kernels only."""

from __future__ import annotations

import functools
import os
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from ..errors import UsageError
from ..json_text import read_json
from ..reasons import reason

_DEFAULT = os.path.join(os.path.dirname(__file__), "default_seccomp.json")
_LARGEST = 1 << 24
_MACHINES = {"x86_64": ("amd64", "X86_64"), "aarch64": ("arm64", "AARCH64"), "s390x": ("s390x", "S390X"),
             "riscv64": ("riscv64", "RISCV64"), "ppc64le": ("ppc64le", "PPC64LE")}  # fmt: skip
"""uname(2)'s names, Go's, and libseccomp's."""
_COPIED = ("names", "action", "errnoRet", "args")


@functools.cache
def default_profile() -> dict[str, Any]:
    """Docker's default profile."""
    return read_profile(_DEFAULT)


def read_profile(path: str) -> dict[str, Any]:
    """The profile in a file, docker's format or a ``linux.seccomp``.

    :raises UsageError: it cannot be read, or is none.
    """
    try:
        with open(path, "rb") as file:
            profile = read_json(file.read(_LARGEST))
        if profile["defaultAction"].startswith("SCMP_ACT_"):
            return dict(profile)
        why = "it has no defaultAction"
    except OSError as error:
        why = str(error.strerror)
    except (ValueError, TypeError, KeyError, AttributeError):
        why = "it is no JSON with a defaultAction"
    raise UsageError(f"the seccomp profile {path} cannot be used: {why}", "see docker's documentation of seccomp")


def for_container(profile: Mapping[str, Any], capabilities: Collection[str], uname: os.uname_result) -> dict[str, Any]:
    """The ``linux.seccomp`` for a container with `capabilities` (``CAP_CHOWN`` …) on the machine `uname`.

    :raises UsageError: the profile has rules that are none.
    """
    architecture, name = _MACHINES.get(uname.machine, (uname.machine, ""))
    try:
        made = {key: profile[key] for key in ("defaultAction", "defaultErrnoRet", "flags") if key in profile}
        made["architectures"] = list(_architectures(profile, f"SCMP_ARCH_{name}"))
        made["syscalls"] = [
            _plain(rule)
            for rule in profile.get("syscalls") or ()
            if _holds(rule, capabilities, architecture, uname.release)
        ]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UsageError(f"the seccomp profile cannot be used: {reason(error)}", "see docker's documentation") from None
    return made


def _architectures(profile: Mapping[str, Any], name: str) -> Iterator[str]:
    yield from profile.get("architectures") or ()
    for entry in profile.get("archMap") or ():
        if entry["architecture"] == name:
            yield from (name, *(entry.get("subArchitectures") or ()))


def _plain(rule: Mapping[str, Any]) -> dict[str, Any]:
    plain = {key: rule[key] for key in _COPIED if rule.get(key) not in (None, [])}
    return {"names": [rule["name"]], **plain} if rule.get("name") else plain


def _holds(rule: Mapping[str, Any], capabilities: Collection[str], architecture: str, release: str) -> bool:
    includes, excludes = rule.get("includes") or {}, rule.get("excludes") or {}
    return (
        all(name in capabilities for name in includes.get("caps") or ())
        and not any(name in capabilities for name in excludes.get("caps") or ())
        and architecture in (includes.get("arches") or [architecture])
        and architecture not in (excludes.get("arches") or ())
        and _version(release) >= _version(includes.get("minKernel") or "0")
        and not (excludes.get("minKernel") and _version(release) >= _version(excludes["minKernel"]))
    )


def _version(release: str) -> tuple[int, int]:
    """The two leading numbers, as docker compares them."""
    major, _, rest = release.partition(".")
    digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
    return int(major), int(digits or 0)
