"""What a user demands of a slim image, for pipelines."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from cntr_core.dataclass import dataclass

from .completion import complete_kind

if TYPE_CHECKING:
    from ..gates import Gates
    from ..report.cases import Case
    from ..report.schema import Report

_PANEL = "Gates"
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "ki": 2**10, "mi": 2**20, "gi": 2**30}


@dataclass(frozen=True, slots=True)
class Demands:
    """What the slim image must be, else nothing but the report is written."""

    max_size: Annotated[
        str | None,
        typer.Option(
            "--max-size",
            metavar="SIZE",
            help="Refuse a slim image with more than this, such as 20MB or 16MiB.",
            rich_help_panel=_PANEL,
        ),
    ] = None
    min_saving: Annotated[
        float | None,
        typer.Option(
            "--min-saving",
            metavar="PERCENT",
            min=0,
            max=100,
            help="Refuse a slim image that saves less of the bytes.",
            rich_help_panel=_PANEL,
        ),
    ] = None
    fail_on: Annotated[
        list[str] | None,
        typer.Option(
            "--fail-on",
            metavar="KIND",
            autocompletion=complete_kind,
            help="Refuse a slim image with a shell, package-manager, setuid, setgid or capabilities. Repeatable.",
            rich_help_panel=_PANEL,
        ),
    ] = None
    junit: Annotated[
        str | None,
        typer.Option(
            "--junit",
            metavar="FILE",
            help="Also write the result for CI servers, as JUnit's XML.",
            rich_help_panel=_PANEL,
        ),
    ] = None

    sarif: Annotated[
        str | None,
        typer.Option(
            "--sarif",
            metavar="FILE",
            help="Also write what is wrong for code hosts, as SARIF 2.1.0.",
            rich_help_panel=_PANEL,
        ),
    ] = None

    def gates(self) -> Gates:
        """The same for the report.

        :raises UsageError: a size or a kind is none.
        """
        from cntr_core.errors import UsageError

        from ..gates import KINDS, Gates

        for kind in self.fail_on or ():
            if kind not in KINDS:
                raise UsageError(f"--fail-on does not know '{kind}'", f"choose from {', '.join(KINDS)}")
        most = None if self.max_size is None else _bytes(self.max_size)
        return Gates(most, self.min_saving, tuple(dict.fromkeys(self.fail_on or ())))


def _bytes(text: str) -> int:
    """:raises UsageError: it is no size."""
    from cntr_core.errors import UsageError

    match = re.fullmatch(r"(\d{1,15}(?:\.\d{1,9})?)\s*([kmg]i?|)b?", text.strip().lower())
    if match is None:
        raise UsageError(f"--max-size takes a size, not '{text}'", "for example --max-size 20MB")
    return int(float(match[1]) * _UNITS[match[2]])


class Results:
    """Where servers of CI and hosts of code read what came out: as JUnit's XML and as SARIF, each in a file, or in none
    where it has no name."""

    def __init__(self, junit: str | None, sarif: str | None) -> None:
        """:raises UsageError: one can never be written."""
        self._junit = _checked(junit, "--junit")
        self._sarif = _checked(sarif, "--sarif")
        self._written = False

    def write(self, report: Report) -> None:
        """What was tried; :raises CntrError: a file cannot be written."""
        from ..report.cases import cases

        self._write(report.image, list(cases(report)))

    def _write(self, image: str, found: Sequence[Case]) -> None:
        from cntr_core.errors import CntrError

        from ..report.junit import junit
        from ..report.sarif import sarif

        self._written = True
        for place, option, made in ((self._junit, "--junit", junit), (self._sarif, "--sarif", sarif)):
            try:
                if place:
                    with open(place, "wb") as file:
                        file.write(made(image, found))
            except OSError as error:
                raise CntrError(f"cannot write {place}: {error.strerror}", f"give {option} another FILE") from error

    @contextmanager
    def failing(self, image: str) -> Iterator[None]:
        """Write why the block failed, where it came to no report: pipelines show these files in any case."""
        from cntr_core.errors import CntrError

        from ..report.cases import Case

        try:
            yield
        except CntrError as error:
            if not self._written:
                self._write(image, [Case("the image is slimmed", error.message)])
            raise


def _checked(file: str | None, option: str) -> str:
    """The file, "" for none; :raises UsageError: it can never be written."""
    from cntr_core.errors import UsageError

    directory = os.path.dirname(file or "") or "."
    if file is not None and (os.path.isdir(file) or not os.path.isdir(directory)):
        raise UsageError(f"{option}: {file} cannot be a file", "name a file in a directory that exists")
    return file or ""
