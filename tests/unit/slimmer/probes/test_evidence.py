"""What is said of a slim image that passed, by what it was asked."""

from __future__ import annotations

import pytest
from cntr_slimmer.probes import Observation, Outcome
from cntr_slimmer.probes.evidence import CONNECTIONS, FAILURES, NOTHING, doubt, evidence
from cntr_slimmer.probes.spec import MISSING


def page(path: str, status: int | None = 200, varies: bool = False) -> Observation:
    return Observation(f"http:80{path}", {"status": status, "sha256": "a"}, {"sha256": "b"} if varies else {})


def outcome(*observations: Observation, spec: str = "ports:80") -> Outcome:
    return Outcome(spec, True, 0.1, "", observations)


SPOKEN = Observation("port 80", {"protocol": "http"})
LOST = FAILURES.format(port=80)
REDIS = Observation("port 6379", {"protocol": "tcp"})
NOBODY = Observation("port 443", {"protocol": "none"})


@pytest.mark.parametrize(
    ("outcomes", "phrases", "warning"),
    [
        ([], [], NOTHING),
        ([outcome(Observation("container", {"code": None}), spec="quiet:3s")], [], NOTHING),
        ([outcome(NOBODY)], [], NOTHING),
        ([outcome(Observation("container", {"code": 0}), spec="exit")], ["it ended with code 0"], ""),
        ([outcome(spec="manual")], ["it was used by hand"], ""),
        ([outcome(SPOKEN, page("/"))], ["1 page on port 80 gave the same answer"], ""),
        (
            [outcome(SPOKEN, page("/"), page(MISSING, 404))],
            ["1 page on port 80 gave the same answer, a missing page too"],
            "",
        ),
        (
            [outcome(SPOKEN, page("/", 401), page(MISSING, 404))],
            ["1 page on port 80 gave the same answer (401), a missing page too"],
            LOST,
        ),
        (
            [outcome(SPOKEN, page("/"), page("/a", 404), NOBODY), outcome(page("/"), page("/b", varies=True))],
            ["3 pages on port 80 gave the same answers (1 with a body that varies)"],
            "",
        ),
        ([outcome(SPOKEN, page("/", 404))], ["1 page on port 80 gave the same answer (404)"], LOST),
        (
            [outcome(SPOKEN, page("/", 404), REDIS)],
            ["1 page on port 80 gave the same answer (404)", "port 6379 took a connection"],
            LOST,
        ),
        ([outcome(REDIS)], ["port 6379 took a connection"], CONNECTIONS),
        ([outcome(Observation("tcp:25", {"connected": True}))], ["port 25 took a connection"], CONNECTIONS),
        (
            [outcome(Observation("exec:a", {"code": 0})), outcome(Observation("script", {"code": 0})), outcome(REDIS)],
            ["1 command gave the same answer", "1 script succeeded", "port 6379 took a connection"],
            "",
        ),
        (
            [outcome(page("/", 404)), outcome(Observation("exec:a", {"code": 0}), Observation("exec:b", {"code": 0}))],
            ["1 page on port 80 gave the same answer (404)", "2 commands gave the same answers"],
            "",
        ),
    ],
)
def test_the_evidence_names_what_was_asked(outcomes: list[Outcome], phrases: list[str], warning: str) -> None:
    assert (list(evidence(outcomes)), doubt(outcomes)) == (phrases, warning)
