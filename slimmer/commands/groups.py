"""Options that belong together, as one value each: what a command says is sorted here, once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cntr_core.cli import container_options
from cntr_core.cli.completion import complete_filesystem, complete_words
from cntr_core.cli.confinement import MEMORY, PIDS_LIMIT, SECURITY_OPT, confinement, in_panel
from cntr_core.cli.env_file import assigned, variables
from cntr_core.cli.mounts import Mounted, own_mounts, read_mounts
from cntr_core.cli.options import ENV, ENV_FILE
from cntr_core.cli.session_options import seconds
from cntr_core.dataclass import dataclass

from . import options
from .completion import (
    PACKAGE_LISTS,
    complete_package_lists,
    complete_probe,
    complete_profile,
    complete_rule,
    complete_tracing_engine,
)

if TYPE_CHECKING:
    from cntr_core import Filesystem
    from cntr_core.engine.tracing import TracingEngine, TracingOptions
    from cntr_core.rules import Profile
    from cntr_core.runtime import Confinement, RuntimeOptions

    from ..request import RunOptions
    from ..selection import SelectionOptions

RUNNING = _RUN = "Running"
_KEEP, _OUTPUT, _BATCH = "What is kept", "Output", "Many images"


@dataclass(frozen=True, slots=True)
class Run:
    """How the image runs, and what drives and observes it."""

    probe: Annotated[
        list[str] | None,
        typer.Option(
            "--probe",
            metavar="SPEC",
            autocompletion=complete_probe,
            help="Drive the container with this probe: http\\[:PORT]\\[/PATH]\\[=STATUS], tcp:PORT, exec:CMD, "
            "script:FILE, crawl, openapi:PATH, quiet:10s, exit, manual. Repeatable, in order.",
            rich_help_panel=_RUN,
        ),
    ] = None
    until: Annotated[
        str | None,
        typer.Option(
            "--until",
            metavar="SPEC",
            autocompletion=complete_probe,
            help="Add one more probe after the others, or after the default, such as quiet:10s.",
            rich_help_panel=_RUN,
        ),
    ] = None
    manual: Annotated[
        bool, typer.Option("--manual", help="Use the container by hand until you press Enter.", rich_help_panel=_RUN)
    ] = False
    timeout: Annotated[
        float,
        typer.Option(
            "--timeout",
            metavar="SECONDS",
            min=0.1,
            help="Allow this many seconds for all probes of one run.",
            rich_help_panel=_RUN,
        ),
    ] = 60.0
    stop_timeout: Annotated[
        float,
        typer.Option(
            "--stop-timeout",
            metavar="SECONDS",
            min=0,
            help="Wait this many seconds between the stop signal and SIGKILL.",
            rich_help_panel=_RUN,
        ),
    ] = 10.0
    host_network: Annotated[
        bool,
        typer.Option(
            "--host-network", help="Use this machine's network; default: loopback only.", rich_help_panel=_RUN
        ),
    ] = False
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Make the container's root read-only.", rich_help_panel=_RUN)
    ] = False
    memory: Annotated[str, in_panel(MEMORY, _RUN)] = ""
    pids_limit: Annotated[int | None, in_panel(PIDS_LIMIT, _RUN)] = None
    security_opt: Annotated[list[str] | None, in_panel(SECURITY_OPT, _RUN)] = None
    engine: Annotated[
        str | None,
        typer.Option(
            "--engine",
            metavar="NAME",
            autocompletion=complete_tracing_engine,
            help="Run the image in docker, podman or containerd; default: cntr's own runc or crun container.",
            rich_help_panel=_RUN,
        ),
    ] = None
    env: Annotated[list[str] | None, in_panel(ENV, _RUN)] = None
    env_file: Annotated[list[str] | None, in_panel(ENV_FILE, _RUN)] = None
    entrypoint: Annotated[str | None, in_panel(container_options.ENTRYPOINT, _RUN)] = None
    user: Annotated[str, in_panel(container_options.USER, _RUN)] = ""
    workdir: Annotated[str, in_panel(container_options.WORKDIR, _RUN)] = ""
    mount: Annotated[list[str] | None, in_panel(container_options.MOUNT, _RUN)] = None
    volume: Annotated[list[str] | None, in_panel(container_options.VOLUME, _RUN)] = None
    publish: Annotated[
        list[str] | None,
        typer.Option(
            "--publish", "-p", metavar="PORT:PORT", help="Publish a port; only with --engine.", rich_help_panel=_RUN
        ),
    ] = None
    network: Annotated[
        str,
        typer.Option("--network", metavar="NAME", help="Join this network; only with --engine.", rich_help_panel=_RUN),
    ] = ""
    fs: Annotated[
        str,
        typer.Option(
            "--fs",
            metavar="NAME",
            autocompletion=complete_filesystem,
            help="Record accesses with this filesystem backend.",
            rich_help_panel=_RUN,
        ),
    ] = "direct"

    def options(self, command: list[str] | None) -> RunOptions:
        """How `command`, or the image's own for None, runs.

        :raises CntrError: a probe is malformed, there is no such engine, it cannot trace, or the options want one.
        """
        from ..request import RunOptions

        engine, told = self._traced()
        return RunOptions(
            probes=options.probes_of(self.probe),
            until=options.probes_of([*([self.until] if self.until else ()), *(["manual"] if self.manual else ())]),
            runtime=self._runtime(tuple(command or ()), own=engine is None),
            timeout=seconds(self.timeout, "--timeout"),
            stop_limit=seconds(self.stop_timeout, "--stop-timeout"),
            engine=engine,
            options=told,
        )

    def _runtime(self, command: tuple[str, ...], *, own: bool) -> RuntimeOptions:
        """The same for the container, or for cntr's `own`, which mounts by itself."""
        from cntr_core.runtime import RuntimeOptions

        mounts, volumes = own_mounts(self._mounts()) if own else ((), ())
        return RuntimeOptions(
            command,
            self.host_network,
            self.read_only,
            user=self.user,
            working_dir=container_options.checked_workdir(self.workdir),
            env=self.variables(),
            entrypoint=container_options.entrypoint_of(self.entrypoint),
            mounts=mounts,
            volumes=volumes,
            confinement=self._confinement(),
        )

    def variables(self) -> tuple[str, ...]:
        """What ``--env-file`` and ``--env`` say."""
        return assigned(variables(self.env_file or (), self.env or ()))

    def _mounts(self) -> list[Mounted]:
        return read_mounts(self.mount or (), self.volume or ())

    def _confinement(self) -> Confinement:
        from cntr_core.errors import UsageError

        if self.engine is not None and (self.memory or self.pids_limit is not None or self.security_opt):
            raise UsageError(
                "--memory, --pids-limit and --security-opt are for cntr's own containers", "leave --engine out"
            )
        return confinement(self.memory, self.pids_limit, self.security_opt)

    def _traced(self) -> tuple[TracingEngine | None, TracingOptions]:
        """The engine that runs the image, None for our own container, and what it is told."""
        from cntr_core.engine import chosen
        from cntr_core.engine.tracing import TracingOptions, tracing_engine
        from cntr_core.errors import UsageError

        if self.engine is None:
            if self.publish or self.network:
                raise UsageError("--publish and --network are only for --engine", "add --engine docker")
            return None, TracingOptions()
        mounts = self._mounts()
        told = TracingOptions(
            environment=self.variables(),
            volumes=tuple(one.words for one in mounts if one.kind != "tmpfs"),
            tmpfs=tuple(one.words for one in mounts if one.kind == "tmpfs"),
            publish=tuple(self.publish or ()),
            network=self.network,
            user=self.user,
            working_dir=self.workdir,
        )
        return tracing_engine(chosen(self.engine, options.engines())[0], self.engine), told

    def backend(self) -> Filesystem:
        """The filesystem that observes; :raises PluginError: there is none of that name."""
        from cntr_core.cli.backend import named_backend
        from cntr_core.plugins import load

        return named_backend(load(), self.fs)


@dataclass(frozen=True, slots=True)
class Verification:
    """How the slim image is proved."""

    verify_probe: Annotated[
        list[str] | None,
        typer.Option(
            "--verify-probe",
            metavar="SPEC",
            autocompletion=complete_probe,
            help="Also check the slim image with this probe, which is not traced. Repeatable.",
            rich_help_panel=_RUN,
        ),
    ] = None
    no_verify: Annotated[bool, typer.Option("--no-verify", help="Do not run the slim image.", rich_help_panel=_RUN)] = (
        False
    )
    repairs: Annotated[
        int,
        typer.Option(metavar="N", min=0, help="Add missing files and retry up to N times.", rich_help_panel=_RUN),
    ] = 3


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
