"""``cntr list``, ``cntr engines``, ``cntr plugins`` and ``cntr doctor``: what is there, and what is missing."""

# ruff: noqa: ARG001 - --debug acts by its callback

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from . import output
from .completion import complete_engine

if TYPE_CHECKING:
    from ..types import Container
    from .answers import Checked, ListedContainer, ListedEngine, ListedPlugin


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("list")(list_containers)
    app.command("engines")(engines)
    app.command("plugins")(plugins)
    app.command("doctor")(doctor)


def list_containers(
    everything: Annotated[bool, typer.Option("--all", "-a", help="Also list stopped containers.")] = False,
    engine: Annotated[
        str | None, typer.Option(metavar="NAME", autocompletion=complete_engine, help="Ask only this engine.")
    ] = None,
    json: output.Json = False,
    debug: output.Debug = False,
) -> int:
    """List the containers of all engines.

    Engines that do not answer are left out; [bold]cntr engines[/] shows why.
    """
    shown = _listed(everything, engine)
    values: list[ListedContainer] = [
        {
            "engine": c.engine,
            "id": c.id,
            "name": c.name,
            "state": c.state.value,
            "image": c.image,
            "labels": dict(c.labels),
        }
        for c in shown
    ]
    rows = [(c.engine, c.name or "-", c.id[:12], c.state.value, c.image or "-") for c in shown]
    columns = ("engine", "name", "id", "state", "image")
    output.print_list(json, values, columns, rows, "no containers; see cntr engines")
    return 0


def _listed(everything: bool, engine: str | None) -> list[Container]:
    """:raises CntrError: there is no engine of that name, or it does not answer."""
    from ..engine import chosen, list_containers
    from ..plugins import load
    from ..types import ContainerState

    listing = list_containers(chosen(engine, load().engines_for(engine)))
    if engine is not None and listing.failures:
        assert listing.failures[0].error is not None
        raise listing.failures[0].error
    return [c for c in listing.containers if everything or c.state in (ContainerState.RUNNING, ContainerState.PAUSED)]


def engines(json: output.Json = False, debug: output.Debug = False) -> int:
    """Show which container engines are available, and what each one answered."""
    from ..engine import statuses as ask_engines
    from ..plugins import load

    statuses = dict(ask_engines(load().engines))
    values: list[ListedEngine] = [
        {"engine": name, "available": s.available, "detail": s.detail, "hint": s.hint, "endpoint": s.endpoint}
        for name, s in statuses.items()
    ]
    rows = [
        (name, "yes" if s.available else "no", s.detail, s.hint if not s.available else s.endpoint)
        for name, s in statuses.items()
    ]
    columns = ("engine", "available", "answer", "endpoint or next step")
    output.print_list(json, values, columns, rows, "no engine is installed")
    return 0


def plugins(json: output.Json = False, debug: output.Debug = False) -> int:
    """List the plugins, what each one offers, and why a plugin fails."""
    from ..plugins import load

    infos = load().infos
    values: list[ListedPlugin] = [
        {
            "plugin": i.name,
            "distribution": i.distribution,
            "version": i.version,
            "offers": list(i.offers),
            "failure": i.failure,
        }
        for i in infos
    ]
    rows = [(i.name, f"{i.distribution} {i.version}", ", ".join(i.offers) or "-", i.failure or "-") for i in infos]
    output.print_list(json, values, ("plugin", "from", "offers", "failure"), rows, "no plugin is installed")
    return 0


def doctor(json: output.Json = False, debug: output.Debug = False) -> int:
    """Check this machine: kernel, privileges, filesystem backends and engines; show how to fix what is missing.

    The last line says whether attach works here, and by what, and what run and slim lack.

    Exit code 0 when attach can work here, 125 when something that it needs is missing.
    """
    from .diagnosis import diagnose, verdict

    findings = diagnose()
    values: list[Checked] = [
        {
            "area": f.area,
            "name": f.name,
            "ok": f.ok,
            "needed": f.needed,
            "detail": f.detail,
            "remedy": f.remedy,
        }
        for f in findings
    ]
    rows = [(f.area, f.name, _mark(f.ok, f.needed), f.detail, "" if f.ok else f.remedy) for f in findings]
    output.print_list(json, values, ("area", "what", "ok", "detail", "what to do"), rows, "nothing to check")
    output.say(verdict(findings))
    return 125 if any(f.needed and not f.ok for f in findings) else 0


def _mark(ok: bool, needed: bool) -> str:
    return "yes" if ok else "NO" if needed else "no"
