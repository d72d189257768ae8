"""What ``cntr doctor`` knows: every feature that cntr uses, whether it is there, and the remedy."""

from __future__ import annotations

import os
from collections.abc import Sequence

from ..dataclass import dataclass, replace
from ..engine import statuses
from ..kernel import probes
from ..kernel.user_namespaces import lacking
from ..plugins import Plugins, load
from ..types import Missing
from .backend import FASTEST_FIRST, WHY_FASTEST


@dataclass(frozen=True, slots=True)
class Check:
    """One check. `needed` tells what attach cannot do without from what only some options want."""

    area: str
    name: str
    ok: bool
    needed: bool
    detail: str
    remedy: str


def diagnose() -> list[Check]:
    """All findings: the kernel's features and the process's privileges, then backends and engines."""
    plugins = load()
    features = [_for_us(Check("kernel", f.name, f.available, f.required, f.detail, f.remedy)) for f in probes.probe()]
    return [*features, *_subordinates(), *_filesystems(plugins), *_engines(plugins)]


def verdict(findings: Sequence[Check]) -> str:
    """What they come to, in a line."""
    lacking = [check.name for check in findings if check.needed and not check.ok]
    if lacking:
        return f"attach cannot work here, for want of: {', '.join(lacking)}"
    backends, engines = ([f.name for f in findings if f.ok and f.area == area] for area in ("filesystem", "engine"))
    first = next((name for name in FASTEST_FIRST if name in backends), "")
    backend = f"{first}, {WHY_FASTEST}" if first else f"--fs {backends[0]} alone"
    return f"attach works here: files by {backend}; containers of {', '.join(engines)}{_of_images(findings)}"


def _of_images(findings: Sequence[Check]) -> str:
    """Why images cannot be run here, where it is so: containers of the engine oci need what `cntr slim` needs."""
    whys = [check for check in findings if (check.area, check.name) == ("engine", "oci") and not check.ok]
    return "".join(f"; cntr run and cntr slim do not: {why.detail} ({why.remedy})" for why in whys)


def _for_us(check: Check) -> Check:
    """The same as it concerns an ordinary user, who has these in user namespaces of their own (user_namespaces(7))."""
    if os.geteuid() == 0 or check.ok or not check.name.startswith("CAP_") or not _has_user_namespaces():
        return check
    return replace(check, ok=True, detail=f"{check.detail}: you can, in rootless containers of yours")


def _has_user_namespaces() -> bool:
    return any(each.available for each in probes.probe() if each.name == "unprivileged user namespaces")


def _subordinates() -> list[Check]:
    """What an ordinary user needs to run images."""
    if os.geteuid() == 0:
        return []
    error = lacking()
    detail, remedy = (error.message, error.hint) if error else ("to run and slim images", "")
    return [Check("user", "subordinate ids", error is None, False, detail, remedy)]


def _filesystems(plugins: Plugins) -> list[Check]:
    findings = []
    for filesystem in plugins.filesystems:
        try:
            missing = list(filesystem.missing())
        except Exception as error:  # a stranger's code; the other findings matter all the more
            missing = [Missing(f"its plugin fails: {type(error).__name__}: {error}", "report this to its author")]
        detail = "; ".join(m.what for m in missing) or "usable"
        remedy = "; ".join(m.remedy for m in missing)
        findings.append(Check("filesystem", filesystem.name, not missing, False, detail, remedy))
    usable = any(f.ok for f in findings)
    findings.append(
        Check("filesystem", "any backend", usable, True, "usable" if usable else "none is", "see the lines above")
    )
    return findings


def _engines(plugins: Plugins) -> list[Check]:
    return [
        Check("engine", name, status.available, False, status.detail, status.hint)
        for name, status in statuses(plugins.engines)
    ]
