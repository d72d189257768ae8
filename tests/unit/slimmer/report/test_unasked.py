"""What was not asked, as the report says."""

from __future__ import annotations

import json

import pytest
from cntr_slimmer.probes.result import Observation, Outcome
from cntr_slimmer.report.unasked import unasked

from cntr_core.images import ImageConfig


def config(**more: object) -> ImageConfig:
    return ImageConfig.parse(json.dumps({"os": "linux", "architecture": "amd64", "config": more}).encode())


def outcome(spec: str, *subjects: str, **volatile: str) -> Outcome:
    found = tuple(Observation(subject, {"sha256": "a"}, volatile) for subject in subjects)
    return Outcome(spec, True, 0.1, "", found)


@pytest.mark.parametrize(
    ("asked", "left"),
    [
        (
            (),
            [
                "port 80, which the image exposes",
                "port 443, which the image exposes",
                "port 53/udp, which the image exposes",
            ],
        ),
        (("port 80", "https:443/a"), ["port 53/udp, which the image exposes"]),
        (("POST http:80/", "tcp:443"), ["port 53/udp, which the image exposes"]),
        (
            ("http:8080/",),
            [
                "port 80, which the image exposes",
                "port 443, which the image exposes",
                "port 53/udp, which the image exposes",
            ],
        ),
    ],
)
def test_exposed_ports(asked: tuple[str, ...], left: list[str]) -> None:
    exposing = config(ExposedPorts={"80/tcp": {}, "443/tcp": {}, "53/udp": {}})
    assert sorted(unasked(exposing, [outcome("x", *asked)])) == sorted(left)


def test_the_health_check() -> None:
    checked = config(Healthcheck={"Test": ["CMD", "curl", "-f", "http://localhost/"]})
    assert unasked(checked, [outcome("http:80/", "http:80/")]) == ("the image's health check",)
    assert unasked(checked, [outcome("exec:curl -f http://localhost/", "curl")]) == ()
    assert unasked(config(Healthcheck={"Test": ["CMD-SHELL"]}), []) == ()


def test_bodies_that_vary() -> None:
    found = unasked(config(), [outcome("http:80/", "http:80/", "http:80/b", sha256="b")])
    assert found == ("what 2 pages said: it differs at each look",)
