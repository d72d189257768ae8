"""The options of a run and of its proof, as one value each: what a command says is sorted here, once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cntr_core.cli import container_options
from cntr_core.cli.completion import complete_filesystem
from cntr_core.cli.confinement import MEMORY, PIDS_LIMIT, SECURITY_OPT, confinement, in_panel
from cntr_core.cli.env_file import assigned, variables
from cntr_core.cli.mounts import Mounted, own_mounts, read_mounts
from cntr_core.cli.options import ENV, ENV_FILE
from cntr_core.cli.session_options import seconds
from cntr_core.dataclass import dataclass

from . import options
from .completion import (
    complete_probe,
    complete_tracing_engine,
)

if TYPE_CHECKING:
    from cntr_core import Filesystem
    from cntr_core.engine.tracing import TracingEngine, TracingOptions
    from cntr_core.runtime import Confinement, RuntimeOptions

    from ..request import RunOptions

RUNNING = _RUN = "Running"


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
