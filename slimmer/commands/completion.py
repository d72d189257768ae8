"""What the shell completes of the slimmer's options: whatever has a list. Never an error."""

from __future__ import annotations

import contextlib

import typer

from cntr_core.cli.completion import begun, complete_image

PACKAGE_LISTS = ("kept", "all")
"""Whether a slim image lists the packages that it has a file of, or those of the original."""


def complete_image_or_service(context: typer.Context, incomplete: str) -> list[str]:
    """The services of the file of ``--compose``, where one was named; else as :func:`complete_image`."""
    file = context.params.get("compose")
    return begun(_services(file), incomplete) if file else complete_image(incomplete)


def _services(file: str) -> list[str]:
    """Read as YAML alone: Compose would take a second."""
    import yaml

    unreadable = (OSError, ValueError, KeyError, TypeError, RecursionError, yaml.YAMLError)
    with contextlib.suppress(*unreadable), open(file, encoding="utf-8") as stream:
        return sorted(map(str, yaml.safe_load(stream)["services"]))
    return []


def complete_rule(incomplete: str) -> list[tuple[str, str]]:
    """The rules, each with its description."""
    from cntr_core.plugins import load

    return [
        (rule.name, rule.description.replace("[", "\\[")) for rule in load().rules if rule.name.startswith(incomplete)
    ]


def complete_profile(incomplete: str) -> list[str]:
    """How much is to be kept."""
    from cntr_core.rules import Profile

    return begun([str(profile) for profile in Profile], incomplete)


def complete_package_lists(incomplete: str) -> list[str]:
    """Which packages a slim image lists."""
    return begun(PACKAGE_LISTS, incomplete)


def complete_security_profile(incomplete: str) -> list[str]:
    """The kinds of security profiles."""
    from ..profiles.made import KINDS

    return begun(KINDS, incomplete)


def complete_probe(incomplete: str) -> list[str]:
    """The kinds of probes."""
    from ..probes.spec import KINDS

    return begun(KINDS, incomplete)


def complete_tracing_engine(incomplete: str) -> list[str]:
    """The engines in which an image can run while it is observed."""
    from cntr_core.engine.tracing import TracingEngine

    from .options import engines

    return begun([each.name for each in engines() if isinstance(each, TracingEngine)], incomplete)


def complete_kind(incomplete: str) -> list[str]:
    """What ``--fail-on`` takes."""
    from ..gates import KINDS

    return begun(KINDS, incomplete)


def complete_format(incomplete: str) -> list[str]:
    """The formats that there is a schema of."""
    from .formats import formats

    return begun(formats(), incomplete)
