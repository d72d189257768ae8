"""Which security profiles a user wants beside a slim image."""

from __future__ import annotations

from typing import Annotated

import typer

from cntr_core.dataclass import dataclass

from .completion import complete_security_profile


@dataclass(frozen=True, slots=True)
class Profiles:
    """Profiles of what the image needs."""

    security_profile: Annotated[
        list[str] | None,
        typer.Option(
            "--profile",
            metavar="KIND",
            autocompletion=complete_security_profile,
            help="Also write a profile of what the runs did, seccomp or apparmor, into the report's directory. "
            "Repeatable.",
            rich_help_panel="Output",
        ),
    ] = None

    def kinds(self) -> tuple[str, ...]:
        """The kinds, each once.

        :raises CntrError: there is no such kind, or it cannot be made here.
        """
        from cntr_core.errors import UsageError

        from ..profiles.made import KINDS

        found = tuple(dict.fromkeys(self.security_profile or ()))
        for kind in found:
            if kind not in KINDS:
                raise UsageError(f"--profile does not know '{kind}'", f"choose from {', '.join(KINDS)}")
        if "seccomp" in found:
            from ..profiles.recorder import check_recorder

            check_recorder()
        return found
