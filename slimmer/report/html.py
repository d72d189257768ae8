"""The report as one page that needs nothing else: no network, no other file.

Names in it come from the image, and so from strangers: templates escape them, the script makes text of them, and the
page's own policy (CSP) forbids whatever else could run or be fetched.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from . import amounts
from .schema import File, Report
from .sums import largest_kept

if TYPE_CHECKING:
    import jinja2

_SCRIPTS = ("page.js", "map.js", "files.js")
_MOST_PACKAGES = 100
_PHASES = {
    "fetch": "fetching the image",
    "read": "reading its layers",
    "trace": "running the original",
    "choose": "choosing files",
    "split": "splitting the layers",
    "verify": "running the slim image",
    "repair": "running the original again",
    "compress": "compressing both",
}
_FINDINGS = {
    "shell": "Shells",
    "package manager": "Package managers",
    "setuid": "Programs with the setuid bit",
    "setgid": "Programs with the setgid bit",
    "capabilities": "Programs with file capabilities",
}


def render(report: Report) -> str:
    """The page."""
    environment = _environment()
    times = list(_times(report))
    script = "".join(environment.loader.get_source(environment, name)[0] for name in _SCRIPTS)  # type: ignore[union-attr]
    return environment.get_template("report.html").render(
        report=report,
        moved=report.content.bytes - report.content.kept_bytes,
        gone_packages=[package for package in report.packages if package.gone],
        findings=_findings(report),
        probes=list(_probes(report)),
        sentence=_sentence(report),
        variables=_variables(report),
        why=shlex.join(["cntr", "why", ".", path]) if (path := largest_kept(report.files)) else "",
        reduced=sorted(report.packages, key=lambda each: each.kept_bytes - each.bytes)[:_MOST_PACKAGES],
        times=times,
        longest=max(time for _, time, _ in times),
        total=_hundredths(sum(round(100 * time) for _, time, _ in times)),
        data=_data(report),
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _sentence(report: Report) -> str:
    """What became of the image's files."""
    all_of_it, moved = report.content, report.content.files - report.content.kept_files
    return (
        f"The slim image keeps {all_of_it.kept_files:,} of {all_of_it.files:,} files: those that the application used "
        f"while it was asked, and those that rules add. The other {moved:,} moved to the fat image; both together "
        f"rebuild the original byte for byte."
    )


def _variables(report: Report) -> list[str]:
    """The names of the variables whose values the commands lack."""
    words = [word for step in report.steps for word in shlex.split(step.command)]
    return list(dict.fromkeys(word.removeprefix("--env=") for word in words if word.startswith("--env=")))


def _times(report: Report) -> Iterator[tuple[str, float, str]]:
    """What took how long, in whole hundredths of a second, so that the total is the sum of what is shown."""
    parts = {name: int(100 * time) for name, time in report.phases.items()}
    other = round(100 * max(report.seconds, sum(report.phases.values()))) - sum(parts.values())
    for name, count in {**parts, "other": other}.items():
        yield _PHASES.get(name, name), count / 100, _hundredths(count)


def _hundredths(count: int) -> str:
    return f"{count / 100:.2f} s"


@functools.cache
def _environment() -> jinja2.Environment:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(__package__, "page"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "ensure_ascii": False}
    environment.filters |= {"size": amounts.size, "seconds": amounts.seconds, "count": "{:,}".format, "fact": _said}
    environment.globals["percent"] = amounts.percent
    return environment


def _data(report: Report) -> dict[str, Any]:
    """What the script shows: rows, with what is said often by its number in a list."""
    types, packages, rules, reasons = (_Numbered() for _ in range(4))

    def row(file: File) -> list[Any]:
        numbers = packages.number(file.package), rules.number(file.rule), reasons.number(file.because)
        return [file.path, types.number(file.type), file.bytes, *numbers, file.target]

    files = list(map(row, report.files))  # first: it fills the lists
    return {
        "types": list(types),
        "owners": list(packages),
        "rules": list(rules),
        "reasons": list(reasons),
        "files": files,
        "shortened": {each.path: each.slim_bytes for each in report.files if each.kept_bytes is not None},
        "packages": [
            [each.name, each.version, each.files, each.kept_files, each.bytes, each.kept_bytes]
            for each in report.packages
        ],
    }


class _Numbered:
    """Texts, each once."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def number(self, text: str) -> int:
        return self._numbers.setdefault(text, len(self._numbers))

    def __iter__(self) -> Iterator[str]:
        return iter(self._numbers)


def _findings(report: Report) -> list[tuple[str, list[Any], int]]:
    """Each kind with its findings, those that are still there first, and how many went."""
    grouped = ((title, [each for each in report.findings if each.kind == kind]) for kind, title in _FINDINGS.items())
    return [
        (title, sorted(found, key=lambda each: not each.kept), sum(not each.kept for each in found))
        for title, found in grouped
        if found
    ]


@dataclass(frozen=True, slots=True)
class _Fact:
    """One fact on both images; the first of its subject has the subject's name. `differs` is told by the comparison."""

    subject: str
    name: str
    original: str
    slim: str
    varies: bool
    differs: bool


@dataclass(frozen=True, slots=True)
class _Probe:
    """One probe on both images."""

    spec: str
    original: Mapping[str, Any] | None
    slim: Mapping[str, Any] | None
    facts: Sequence[_Fact]
    shown: Sequence[tuple[str, str, str]]


def _probes(report: Report) -> Iterator[_Probe]:
    for original, slim in zip_longest(report.probes.original, report.probes.slim):
        spec = (original or slim)["spec"]
        differing = {(d["subject"], d["fact"]) for d in report.probes.differences if d["spec"] == spec}
        yield _Probe(spec, original, slim, list(_facts(original, slim, differing)), list(_shown(original, slim)))


def _facts(original: Any, slim: Any, differing: Iterable[tuple[str, str]]) -> Iterator[_Fact]:
    for subject, ours, theirs in _subjects(original, slim):
        first, second = ours.get("facts", {}), theirs.get("facts", {})
        volatile = {*ours.get("volatile", {}), *theirs.get("volatile", {})}
        title = subject
        for name in dict.fromkeys((*first, *second)):
            differs = (subject, name) in differing
            yield _Fact(title, name, _said(first.get(name)), _said(second.get(name)), name in volatile, differs)
            title = ""


def _subjects(original: Any, slim: Any) -> Iterator[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
    """What either run observed, by subject."""
    first, second = (
        {each["subject"]: each for each in outcome["observations"]} if outcome else {} for outcome in (original, slim)
    )
    for subject in dict.fromkeys((*first, *second)):
        yield subject, first.get(subject, {}), second.get(subject, {})


def _said(fact: Any) -> str:
    return amounts.UNKNOWN if fact is None else str(fact).lower() if isinstance(fact, bool) else str(fact)


def _shown(original: Any, slim: Any) -> Iterator[tuple[str, str, str]]:
    """Excerpts, and what was printed: which image, what, and the text."""
    for image, outcome in (("original", original), ("slim", slim)):
        if outcome is None:
            continue
        for one in outcome["observations"]:
            yield from ((image, f"{one['subject']}, {what}", text) for what, text in one.get("shown", {}).items())
        if outcome.get("output"):
            yield image, "output", outcome["output"]
