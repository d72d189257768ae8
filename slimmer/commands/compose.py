"""``cntr slim --compose FILE SERVICE``: a service runs as its compose file says, with what it depends on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cntr_core.dataclass import dataclass, replace
from cntr_core.errors import UsageError

from . import running

if TYPE_CHECKING:
    from cntr_core.engine.tracing import ComposeService

    from ..request import SlimRequest

_IN_THE_FILE = (
    *("env", "env_file", "entrypoint", "user", "workdir", "mount", "volume", "publish", "network"),
    *("host_network", "read_only", "memory", "pids_limit", "security_opt"),
)
"""What the file says of a service, and no option does."""


@dataclass(frozen=True, slots=True)
class Project:
    """A compose file."""

    compose: Annotated[
        str | None,
        typer.Option(
            "--compose",
            metavar="FILE",
            help="Run a service of this compose file, which IMAGE then names, in docker with what it depends on.",
            rich_help_panel=running.RUNNING,
        ),
    ] = None

    def service(self, name: str, run: running.Run) -> ComposeService | None:
        """The service `name`; None where no compose file was given.

        :raises UsageError: the file, the service or Compose is missing, or an option of `run` contradicts.
        """
        if self.compose is None:
            return None
        if run.engine not in (None, "docker"):
            raise UsageError(f"--compose starts its services in docker, not in {run.engine}", "leave --engine out")
        said = [field for field in _IN_THE_FILE if getattr(run, field) not in (None, "", False)]
        if said:
            option = f"--{said[0].replace('_', '-')}"
            raise UsageError(f"{option} and --compose contradict each other", f"write it to {self.compose}")
        from ..runs.compose import composed

        return composed(self.compose, name)


def in_docker(run: running.Run) -> running.Run:
    """The options for a run of a service."""
    return replace(run, engine="docker")


def image_of(service: ComposeService) -> str:
    """The reference of the service's image."""
    from ..runs.compose import image_of as named

    return f"docker://{named(service)}"


def with_service(request: SlimRequest, service: ComposeService) -> SlimRequest:
    """The request for a run of the service; :raises UsageError: a profile is wanted, which Compose is not given."""
    if request.profiles:
        raise UsageError("--profile cannot be replayed in a service of --compose", "make it without --compose")
    from dataclasses import replace as changed

    from ..runs.compose import composed_options

    return changed(request, run=composed_options(request.run, service))
