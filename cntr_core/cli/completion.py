"""What the shell completes: live containers and filesystem backends. Never an error, never more than 2 s."""

from __future__ import annotations

import contextlib


def complete_container(incomplete: str) -> list[tuple[str, str]]:
    """Running containers whose name, or ``ENGINE://NAME``, begins like `incomplete`, each with a description."""
    from ..engine import list_containers
    from ..errors import CntrError
    from ..plugins import load
    from ..types import ContainerState

    found: list[tuple[str, str]] = []
    with contextlib.suppress(CntrError, OSError):
        for container in list_containers(load().engines).containers:
            if container.state is ContainerState.RUNNING:
                for text in (container.name, str(container.ref)):
                    if text.startswith(incomplete):
                        found.append((text, f"{container.engine} {container.image}"))
                        break
    return found


def complete_filesystem(incomplete: str) -> list[str]:
    """The backends that are installed."""
    from ..plugins import load

    return [f.name for f in load().filesystems if f.name.startswith(incomplete)]
