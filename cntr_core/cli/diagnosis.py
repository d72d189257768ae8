"""What ``cntr doctor`` knows: every feature that cntr uses, whether it is there, and the remedy."""

from __future__ import annotations

import os
from dataclasses import dataclass

from ..engine import statuses
from ..kernel import probes
from ..kernel.user_namespaces import lacking
from ..plugins import Plugins, load
from ..types import Missing


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
    features = [Check("kernel", f.name, f.available, f.required, f.detail, f.remedy) for f in probes.probe()]
    return [*features, *_subordinates(), *_filesystems(plugins), *_engines(plugins)]


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
