"""Gates: what a slim image must be, beside what it must do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .report.amounts import percent, size
from .report.schema import Gate, Report

KINDS = ("shell", "package-manager", "setuid", "setgid", "capabilities")
"""What ``--fail-on`` takes: the kinds of findings, without blanks."""
_MOST_PATHS = 3


@dataclass(frozen=True, slots=True)
class Gates:
    """`most` bytes of files are kept, `least` percent of the original's are saved, and nothing of `unwanted` kinds is
    kept; None and the empty tuple demand nothing."""

    most: int | None = None
    least: float | None = None
    unwanted: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self != Gates()


def judged(gates: Gates, report: Report) -> tuple[Gate, ...]:
    """Each gate with what it found, in the order of the options."""
    return tuple(_judged(gates, report))


def _judged(gates: Gates, report: Report) -> Iterator[Gate]:
    content = report.content
    if gates.most is not None:
        found, wanted = size(content.kept_bytes), f"at most {size(gates.most)}"
        yield Gate(name="--max-size", found=found, wanted=wanted, passed=content.kept_bytes <= gates.most)
    if gates.least is not None:
        saved = content.bytes - content.kept_bytes
        passed = 100 * saved >= gates.least * content.bytes
        found, wanted = percent(saved, content.bytes), f"at least {gates.least:g} %"
        yield Gate(name="--min-saving", found=found, wanted=wanted, passed=passed)
    for kind in gates.unwanted:
        kept = [each.path for each in report.findings if each.kept and each.kind == kind.replace("-", " ")]
        yield Gate(name=f"--fail-on {kind}", found=_listed(kept), wanted="none", passed=not kept)


def _listed(paths: list[str]) -> str:
    if not paths:
        return "none"
    more = f" and {len(paths) - _MOST_PATHS} more" if len(paths) > _MOST_PATHS else ""
    return f"{', '.join(paths[:_MOST_PATHS])}{more}"
