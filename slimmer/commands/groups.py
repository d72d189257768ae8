"""The options of what is kept, of where it goes and of many images, as one value each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cntr_core.cli.completion import complete_words
from cntr_core.dataclass import dataclass

from . import options
from .completion import (
    PACKAGE_LISTS,
    complete_package_lists,
    complete_profile,
    complete_rule,
)

if TYPE_CHECKING:
    from cntr_core.rules import Profile

    from ..selection import SelectionOptions

_KEEP, _OUTPUT, _BATCH = "What is kept", "Output", "Many images"


@dataclass(frozen=True, slots=True)
class Keep:
    """What the slim image keeps beside what was used."""

    add_trace: Annotated[
        list[str] | None,
        typer.Option(
            "--trace", metavar="FILE", help="Also keep what this trace used. Repeatable.", rich_help_panel=_KEEP
        ),
    ] = None
    include: Annotated[
        list[str] | None,
        typer.Option(metavar="PATH", help="Keep this path or glob, and what it needs.", rich_help_panel=_KEEP),
    ] = None
    include_from: Annotated[
        list[str] | None,
        typer.Option(
            "--include-from",
            metavar="FILE",
            help="Keep the paths in FILE, a list by cntr run --misses.",
            rich_help_panel=_KEEP,
        ),
    ] = None
    exclude: Annotated[
        list[str] | None,
        typer.Option(metavar="PATH", help="Leave this path out, even if it was used.", rich_help_panel=_KEEP),
    ] = None
    preserve: Annotated[
        list[str] | None,
        typer.Option(metavar="PATH", help="Keep this path, whatever --exclude says.", rich_help_panel=_KEEP),
    ] = None
    include_package: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Keep all files of this package.", rich_help_panel=_KEEP),
    ] = None
    last_layers: Annotated[
        int, typer.Option(metavar="N", min=0, help="Keep the N topmost layers whole.", rich_help_panel=_KEEP)
    ] = 0
    profile: Annotated[
        str,
        typer.Option(
            "--keep",
            metavar="PROFILE",
            autocompletion=complete_profile,
            help="Keep minimal (what was used and what must be), balanced (also what is commonly needed next) or "
            "careful (also whole packages of the languages in use).",
            rich_help_panel=_KEEP,
        ),
    ] = "balanced"
    package_lists: Annotated[
        str,
        typer.Option(
            "--package-lists",
            metavar="WHICH",
            autocompletion=complete_package_lists,
            help="List for scanners the packages that keep a file (kept) or all of the original (all).",
            rich_help_panel=_KEEP,
        ),
    ] = "kept"
    rule: Annotated[
        list[str] | None,
        typer.Option(
            "--rule", metavar="NAME", autocompletion=complete_rule, help="Also apply this rule.", rich_help_panel=_KEEP
        ),
    ] = None
    no_rule: Annotated[
        list[str] | None,
        typer.Option(
            "--no-rule",
            metavar="NAME",
            autocompletion=complete_rule,
            help="Do not apply this rule.",
            rich_help_panel=_KEEP,
        ),
    ] = None

    def options(self) -> SelectionOptions:
        """The same for the selection.

        :raises CntrError: a file of paths cannot be read, a path is none of an image's, or there is no such profile or
            rule.
        """
        from cntr_core.plugins import load

        from ..selection import SelectionOptions, check_words

        found = SelectionOptions(
            include=(*(self.include or ()), *options.listed(self.include_from)),
            exclude=tuple(self.exclude or ()),
            preserve=tuple(self.preserve or ()),
            packages=tuple(self.include_package or ()),
            last_layers=self.last_layers,
            profile=_profile(self.profile),
            with_rules=tuple(self.rule or ()),
            without_rules=tuple(self.no_rule or ()),
            all_packages=_all_packages(self.package_lists),
        )
        check_words(found, load().rules)
        return found


def _all_packages(word: str) -> bool:
    """:raises UsageError: it is none of both words."""
    from cntr_core.errors import UsageError

    if word not in PACKAGE_LISTS:
        raise UsageError(f"--package-lists: unknown '{word}'", f"choose from {', '.join(PACKAGE_LISTS)}")
    return word == "all"


def _profile(word: str) -> Profile:
    """:raises UsageError: there is no such profile."""
    from cntr_core.errors import UsageError
    from cntr_core.rules import Profile

    try:
        return Profile(word)
    except ValueError:
        raise UsageError(f"unknown profile '{word}'", f"choose from {', '.join(Profile)}") from None


@dataclass(frozen=True, slots=True)
class Output:
    """Where the slim and the fat image and the report go."""

    target: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="DEST",
            help="Write both images to PATH.tar, a directory (OCI layout), ENGINE://NAME or registry://HOST/NAME; "
            "default: NAME-slim.tar, or the engine that has IMAGE.",
            rich_help_panel=_OUTPUT,
        ),
    ] = None
    fat_target: Annotated[
        str | None,
        typer.Option(
            "--fat-output",
            metavar="DEST",
            help="Write the fat image to a place of its own; --output then has the slim image alone.",
            rich_help_panel=_OUTPUT,
        ),
    ] = None
    slim_name: Annotated[
        str | None, typer.Option("--slim-name", metavar="NAME", help="Name the slim image.", rich_help_panel=_OUTPUT)
    ] = None
    fat_name: Annotated[
        str | None, typer.Option("--fat-name", metavar="NAME", help="Name the fat image.", rich_help_panel=_OUTPUT)
    ] = None
    squash: Annotated[
        bool,
        typer.Option(
            "--squash",
            help="Write the slim image as one layer; join still restores all layers.",
            rich_help_panel=_OUTPUT,
        ),
    ] = False
    compression: Annotated[
        str | None,
        typer.Option(
            metavar="FORMAT",
            autocompletion=complete_words("gzip", "zstd", "none"),
            help="Compress with gzip, zstd or none; default: what suits DEST.",
            rich_help_panel=_OUTPUT,
        ),
    ] = None
    report: Annotated[
        str | None,
        typer.Option(
            "--report",
            metavar="DIR",
            help="Write report.html, report.json and the trace to this directory.",
            show_default="NAME-report",
            rich_help_panel=_OUTPUT,
        ),
    ] = None
    sbom: Annotated[
        bool,
        typer.Option(
            "--sbom",
            help="Also write what is in both images, as CycloneDX, SPDX and OpenVEX, into the report's directory.",
            rich_help_panel=_OUTPUT,
        ),
    ] = False


@dataclass(frozen=True, slots=True)
class Batch:
    """Many images in one call."""

    batch: Annotated[
        str | None,
        typer.Option(
            "--batch",
            metavar="FILE",
            help="Slim each image of FILE: a list with an image and its options on each line (- for stdin), a compose "
            "file, or a manifest or directory of manifests of Kubernetes.",
            rich_help_panel=_BATCH,
        ),
    ] = None
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", metavar="N", min=1, help="Slim this many images at a time.", rich_help_panel=_BATCH),
    ] = None
    scheduler: Annotated[
        str | None,
        typer.Option(
            "--scheduler",
            metavar="tcp://HOST:PORT",
            help="Let the workers of this Dask scheduler do it that have the resource slim.",
            rich_help_panel=_BATCH,
        ),
    ] = None
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Leave out what an earlier call has done.", rich_help_panel=_BATCH),
    ] = False
    index: Annotated[
        int | None,
        typer.Option(
            "--index",
            metavar="N",
            min=0,
            help="Slim only the image with this number, counted from 0, as an Indexed Job of Kubernetes does.",
            rich_help_panel=_BATCH,
        ),
    ] = None
    job_manifest: Annotated[
        str | None,
        typer.Option(
            "--job-manifest",
            metavar="IMAGE",
            help="Print an Indexed Job of Kubernetes that does the batch; IMAGE has cntr.",
            rich_help_panel=_BATCH,
        ),
    ] = None
