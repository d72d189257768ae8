"""Without a probe, the image's own configuration says what to do."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cntr_slimmer.probes import default_probes, parse, tcp_ports

from cntr_core.errors import ImageError
from cntr_core.images import ImageConfig, Platform


def config(**run: Any) -> ImageConfig:
    return ImageConfig.parse(json.dumps({"os": "linux", "architecture": "amd64", "config": run}).encode())


@pytest.mark.parametrize(
    ("run", "probes"),
    [
        ({}, ["quiet:3s"]),
        ({"ExposedPorts": {"53/udp": {}}}, ["quiet:3s"]),
        ({"ExposedPorts": {"80/tcp": {}}}, ["ports:80"]),
        ({"ExposedPorts": {"443": {}, "80/tcp": {}, "53/udp": {}}}, ["ports:80,443"]),
        ({"Healthcheck": {"Test": ["CMD", "check", "it"]}}, ["exec:check it"]),
        ({"Healthcheck": {"Test": ["CMD-SHELL", "a || exit 1"]}}, ["exec:/bin/sh -c 'a || exit 1'"]),
        ({"Healthcheck": {"Test": ["CMD-SHELL", "a"]}, "Shell": ["/bin/bash", "-ec"]}, ["exec:/bin/bash -ec a"]),
        ({"Healthcheck": {"Test": ["NONE"]}}, ["quiet:3s"]),
        ({"Healthcheck": {"Test": []}, "ExposedPorts": {"80/tcp": {}}}, ["ports:80"]),
        ({"Healthcheck": {"Test": ["CMD", "x"]}, "ExposedPorts": {"80/tcp": {}}}, ["exec:x", "ports:80"]),
    ],
)
def test_default_probes(run: dict[str, Any], probes: list[str]) -> None:
    found, sentence = default_probes(config(**run))
    assert [str(probe) for probe in found] == probes
    assert all(parse(text) == probe for text, probe in zip(probes, found, strict=True))
    assert sentence.startswith("no --probe given; the default is ")


def test_the_sentence_tells_what_is_done() -> None:
    run = {"Healthcheck": {"Test": ["CMD", "x"]}, "ExposedPorts": {"80/tcp": {}, "81/tcp": {}}}
    _, sentence = default_probes(config(**run))
    assert "health check" in sentence and "ports 80, 81" in sentence


def test_a_bare_root_has_no_configuration() -> None:
    found, _ = default_probes(ImageConfig(Platform("linux", "amd64")))
    assert [str(probe) for probe in found] == ["quiet:3s"]


@pytest.mark.parametrize("test", [["CMD"], ["CMD-SHELL"], ["WHATEVER", "x"], "CMD x", [1]])
def test_a_malformed_health_check_is_refused(test: object) -> None:
    with pytest.raises(ImageError):
        default_probes(config(Healthcheck={"Test": test}))


def test_ranges_and_nonsense_in_exposed_ports() -> None:
    exposed = {"8000-8002/tcp": {}, "0/tcp": {}, "99999/tcp": {}, "http/tcp": {}, "9/TCP": {}}
    assert tcp_ports(config(ExposedPorts=exposed)) == (9, 8000, 8001, 8002)
    assert len(tcp_ports(config(ExposedPorts={"1-65535/tcp": {}}))) == 50
