"""Hints of a run in an engine speak of that engine."""

from __future__ import annotations

import pytest
from cntr_plugins.engines.containerd.engine import ContainerdEngine
from cntr_plugins.engines.docker.engine import DockerEngine
from cntr_plugins.engines.podman.engine import PodmanEngine
from cntr_slimmer.probes.result import Outcome
from cntr_slimmer.request import RunOptions
from cntr_slimmer.runs.observe import Observed
from cntr_slimmer.runs.runner import must_succeed

from cntr_core.engine.tracing import TracingEngine
from cntr_core.errors import CntrError


@pytest.mark.parametrize(
    ("engine", "code", "words"),
    [
        (None, 127, "mount it here, too: -v FILE:PATH"),
        (DockerEngine(), 127, "mount it here, too: -v FILE:PATH"),
        (None, 1, "start it with cntr run"),
        (DockerEngine(), 1, "start it with docker run"),
        (PodmanEngine(), 1, "start it with podman run"),
        (ContainerdEngine(), 1, "start it with nerdctl run"),
    ],
)
def test_a_container_that_ends_too_early(engine: TracingEngine | None, code: int, words: str) -> None:
    outcome = Outcome("tcp:80", False, 0.1, f"the container ended with code {code} before it answered")
    with pytest.raises(CntrError) as caught:
        must_succeed(Observed((outcome,), code, b""), RunOptions(engine=engine))
    assert words in caught.value.hint
