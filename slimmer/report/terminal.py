"""The report on a terminal: what matters most, on 80 columns."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from .amounts import UNKNOWN, percent, seconds, size
from .schema import Report
from .write import HTML

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_MOST_PACKAGES = 8
_MOST_LINES = 5
_ASCII = str.maketrans({"→": "->", "✓": "ok", "✗": "FAILED", UNKNOWN: "-", "…": "..."})


def show(report: Report, directory: str, console: Console, steps: Iterable[tuple[str, str]] = ()) -> None:
    """Print it; `directory` is where its files are, and `steps` are lines to go on with, each with its purpose."""
    page = _Page(console)
    page.headline(report)
    page.layers(report)
    page.gone(report)
    page.behaviour(report)
    page.gates(report)
    page.profiles(report, directory)
    page.places(report, directory)
    page.steps(steps)


class _Page:
    """Sections on a console."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._plain = not console.encoding.lower().startswith("utf")

    def _say(self, text: str = "", style: str = "") -> None:
        self._console.print(self._fitting(text), style=style or None, soft_wrap=True)

    def _fitting(self, text: str) -> str:
        """The text in what the terminal can show."""
        if not self._plain:
            return text
        encoding = self._console.encoding
        return text.translate(_ASCII).encode(encoding, "backslashreplace").decode(encoding)

    def headline(self, report: Report) -> None:
        content = report.content
        saved = percent(content.bytes - content.kept_bytes, content.bytes)
        self._say(f"{size(content.bytes)} → {size(content.kept_bytes)}, {saved} less", "bold")
        self._say(f"{content.kept_files} of {content.files} files are kept (profile {report.profile})")
        self._limits(report)
        if report.unmatched:
            self._say(f"nothing in the image matches {', '.join(report.unmatched)}", "yellow")

    def _limits(self, report: Report) -> None:
        """What rules with a limit keep, and leave out."""
        for rule in report.rules:
            if rule.limit is None:
                continue
            most = size(rule.limit)
            if rule.files:
                self._say(f"{_plural(rule.files, 'file')} by rule {rule.name}, {size(rule.bytes)} of at most {most}")
            if rule.left_out_files:
                count = _plural(rule.left_out_files, "more file")
                self._say(f"{count} of rule {rule.name}, {size(rule.left_out_bytes)}, are beyond its {most}", "yellow")
                self._say("  keep them with --include PATH; report.html lists them")

    def layers(self, report: Report) -> None:
        rows = [
            (str(number), size(layer.bytes), size(layer.kept_bytes), f"{layer.kept_files} of {layer.files}", made)
            for number, layer in enumerate(report.layers, 1)
            for made in [" ".join(layer.created_by.split())]
        ]
        self._table(("Layer", "Size", "Slim", "Files", "Made by"), rows, numbers=(0, 1, 2, 3))

    def gone(self, report: Report) -> None:
        """The packages of which most went."""
        lost = sorted(report.packages, key=lambda package: package.kept_bytes - package.bytes)
        rows = [
            (package.name, size(package.bytes - package.kept_bytes), "whole package" if package.gone else "in part")
            for package in lost[:_MOST_PACKAGES]
            if package.bytes > package.kept_bytes
        ]
        if report.unread_packages:
            self._say(f"\nThe packages of {report.unread_packages} are not listed, as its database cannot be read.")
        self._table(("Largest reductions", "Size", ""), rows, numbers=(1,))
        if counts := list(_counted(report)):
            self._say()
            self._say("Also moved: " + ", ".join(f"{count - kept} of {count} {kind}" for kind, count, kept in counts))

    def behaviour(self, report: Report) -> None:
        """The probes, on both images, and what differs."""
        self._say()
        outcomes = report.probes.slim if report.verified else report.probes.original
        for outcome in outcomes:
            mark, style = ("✓", "green") if outcome["ok"] else ("✗", "red")
            self._say(f"{mark} {outcome['spec']}: {outcome['detail']}, {seconds(outcome['seconds'])}", style)
        if not report.verified:
            self._say("The slim image was not run, so it is unknown whether it works.", "yellow")
        elif report.ok:
            self._evidence(report)
        else:
            self._say(report.trouble, "red")
        self._log(report.probes.log)
        if learnt := sum(map(len, report.repairs)):
            self._say(f"{learnt} missing files were added in {_plural(len(report.repairs), 'round')} of repair.")

    def _evidence(self, report: Report) -> None:
        """By what it is known that the slim image works."""
        if report.evidence:
            self._say(f"The slim image does what the original does: {', '.join(report.evidence)}.")
        if report.doubt:
            self._say(f"{report.doubt[0].upper()}{report.doubt[1:]}", "yellow")

    def _log(self, lines: Sequence[str]) -> None:
        if lines:
            self._say("Its log differs from the original's:", "yellow")
        for line in lines[:_MOST_LINES]:
            self._say(f"  {line}")
        if (more := len(lines) - _MOST_LINES) > 0:
            self._say(f"  and {_plural(more, 'line')} more, in the report")

    def gates(self, report: Report) -> None:
        """What was demanded of the slim image: it is there, so it has passed."""
        for gate in report.gates:
            self._say(f"✓ {gate.name}: {gate.found}, wanted {gate.wanted}", "green")

    def profiles(self, report: Report, directory: str) -> None:
        """The security profiles, and whether the slim image works under them."""
        for profile in report.profiles:
            told = f"{profile.kind} profile {os.path.join(directory, profile.file)}: {profile.summary}"
            if profile.verified:
                self._say(f"✓ {told}; the slim image passed under it", "green")
            else:
                self._say(f"{told}; the slim image was not run under it", "yellow")

    def places(self, report: Report, directory: str) -> None:
        """Where everything is."""
        self._say()
        for half in report.halves:
            place = half.destination or report.destination
            self._say(f"{half.role:6} {half.name}, {size(half.compressed)} in {place}")
        page = os.path.join(directory, HTML)
        self._say(f"report {page}")

    def steps(self, steps: Iterable[tuple[str, str]]) -> None:
        """What to do next."""
        if steps:
            self._say()
        for line, purpose in steps:
            self._say(f"  {line}  # {purpose}")

    def _table(self, columns: Iterable[str], rows: Sequence[tuple[str, ...]], numbers: Collection[int]) -> None:
        """Where there is no room, texts are cut; the columns that are `numbers` never are."""
        if not rows:
            return
        from rich.table import Table
        from rich.text import Text

        table: Table = Table(box=None, pad_edge=False, header_style="bold")
        for number, column in enumerate(columns):
            is_number = number in numbers  # rich narrows columns that may wrap first
            table.add_column(column, justify="right" if is_number else "left", no_wrap=is_number)
        for row in rows:
            table.add_row(*(Text(self._fitting(cell), no_wrap=True, overflow="ellipsis") for cell in row))
        self._console.print()
        self._console.print(table)


def _counted(report: Report) -> Iterable[tuple[str, int, int]]:
    """Kinds of findings that went, with how many there were, and how many are left."""
    names = {
        "shell": "shells",
        "package manager": "package managers",
        "setuid": "setuid programs",
        "setgid": "setgid programs",
        "capabilities": "programs with capabilities",
    }
    for kind, name in names.items():
        found = [finding for finding in report.findings if finding.kind == kind]
        if found:
            yield name, len(found), sum(finding.kept for finding in found)


def _plural(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
