"""What counts as the same behaviour, and what does not."""

from __future__ import annotations

import json
from typing import Any

import hypothesis.strategies as st
import pytest
from cntr_slimmer.probes import Observation, Outcome, compare
from cntr_slimmer.probes.result import SEEN, merge, merge_runs
from hypothesis import given

PAGE: dict[str, Any] = {"status": 200, "content-type": "text/html", "location": None, "sha256": "aa", "length": 1000}
VOLATILE: dict[str, Any] = {"sha256": "cc", "length": 1000}


def outcome(*observations: Observation, ok: bool = True, spec: str = "http") -> Outcome:
    return Outcome(spec, ok, 0.5, "a sentence", observations)


def page(subject: str = "http:80/", volatile: dict[str, Any] | None = None, **changed: Any) -> Observation:
    return Observation(subject, {**PAGE, **changed}, volatile or {})


_facts = st.dictionaries(st.text(max_size=5), st.text(max_size=5) | st.integers() | st.booleans() | st.none())
_observations = st.builds(
    Observation,
    st.text(max_size=5),
    _facts,
    _facts,
    st.booleans(),
    st.dictionaries(st.text(max_size=5), st.text(max_size=5)),
)
_seconds = st.integers(0, 10**6).map(lambda count: count / 10**4)
_outcomes = st.builds(
    Outcome,
    st.text(max_size=5),
    st.booleans(),
    _seconds,
    st.text(max_size=5),
    st.lists(_observations, max_size=3, unique_by=lambda one: one.subject).map(tuple),
    st.text(max_size=5),
)


@given(_outcomes)
def test_an_outcome_survives_json(one: Outcome) -> None:
    assert Outcome.from_json(json.loads(json.dumps(one.to_json()))) == one


@given(st.lists(_outcomes, max_size=3))
def test_a_run_is_like_itself(run: list[Outcome]) -> None:
    assert compare(run, run) == []


@pytest.mark.parametrize(
    ("fact", "value"),
    [("status", 404), ("content-type", "text/plain"), ("location", "/x"), ("sha256", "bb"), ("length", 1001)],
)
def test_every_fact_of_a_stable_page_counts(fact: str, value: object) -> None:
    [difference] = compare([outcome(page())], [outcome(page(**{fact: value}))])
    assert (difference.subject, difference.fact) == ("http:80/", fact)
    assert (difference.original, difference.replay) == (PAGE[fact], value)
    assert fact in str(difference) and str(value) in str(difference)


@pytest.mark.parametrize("volatile_run", [0, 1])
@pytest.mark.parametrize(
    ("changed", "differing"),
    [
        ({"sha256": "bb", "length": 1400}, []),
        ({"sha256": "bb", "length": 1501}, ["length"]),
        ({"sha256": "bb", "length": 499}, ["length"]),
        ({"sha256": "bb", "status": 500}, ["status"]),
        ({"sha256": "bb", "content-type": None}, ["content-type"]),
    ],
)
def test_a_volatile_body_is_compared_roughly(volatile_run: int, changed: dict[str, Any], differing: list[str]) -> None:
    marks = [VOLATILE if run == volatile_run else None for run in (0, 1)]
    found = compare([outcome(page(volatile=marks[0]))], [outcome(page(volatile=marks[1], **changed))])
    assert [difference.fact for difference in found] == differing


def test_a_short_volatile_body_may_grow_by_a_digit() -> None:
    original, replay = page(volatile=VOLATILE, length=1), page(sha256="bb", length=2)
    assert compare([outcome(original)], [outcome(replay)]) == []


def test_two_looks_tell_what_is_volatile() -> None:
    [merged] = merge([page(length=9)], [page(sha256="bb", length=9)])
    assert merged.facts == {**PAGE, "length": 9}
    assert merged.volatile == {"sha256": "bb", "length": 9}, "a length that is equal by chance is volatile too"


def test_a_subject_of_one_look_only_may_be_absent() -> None:
    first = merge([page(), page("http:80/a")], [page(), page("http:80/b")])
    assert [one.volatile for one in first] == [{}, {SEEN: False}, {SEEN: True}]
    second = merge([page(), page("http:80/c")], [page(), page("http:80/d")])
    assert compare([outcome(*first)], [outcome(*second)]) == []


def test_a_page_that_is_lost_or_new_is_a_difference() -> None:
    one, two = outcome(page()), outcome(page(), page("http:80/a"))
    assert [(d.subject, d.fact, d.replay) for d in compare([two], [one])] == [("http:80/a", SEEN, False)]
    assert [(d.subject, d.fact, d.replay) for d in compare([one], [two])] == [("http:80/a", SEEN, True)]


def test_a_link_that_was_broken_must_stay_broken() -> None:
    assert compare([outcome(page(status=404))], [outcome(page(status=404))]) == []
    assert compare([outcome(page(status=404))], [outcome(page(status=200))])


def test_what_was_done_once_is_compared_without_its_body() -> None:
    one = Observation("POST http:80/pets", {**PAGE, "status": 201}, once=True)
    other = Observation("POST http:80/pets", {**PAGE, "status": 201, "sha256": "bb", "length": 999}, once=True)
    assert compare([outcome(one)], [outcome(other)]) == []
    assert merge([one], []) == (one,)
    assert compare([outcome(one)], [outcome(Observation(one.subject, PAGE, once=True))])


def test_success_and_the_list_of_probes_are_compared() -> None:
    assert [d.fact for d in compare([outcome()], [outcome(ok=False)])] == ["ok"]
    assert [d.fact for d in compare([outcome(), outcome()], [outcome()])] == ["probe"]
    assert [d.fact for d in compare([outcome()], [outcome(spec="tcp:1")])] == ["probe"]


@given(_outcomes, _outcomes)
def test_differences_are_json_and_sentences(one: Outcome, other: Outcome) -> None:
    for difference in compare([one], [other]):
        assert json.loads(json.dumps(difference.to_json()))["fact"] == difference.fact
        assert str(difference)


@pytest.mark.parametrize(("fact", "value"), [("status", 500), ("content-type", "text/plain")])
def test_a_second_look_at_the_slim_image_must_not_fail(fact: str, value: object) -> None:
    stable, failing = merge([page()], [page()]), merge([page()], [page(**{fact: value})])
    assert [(one.fact, one.replay) for one in compare([outcome(*stable)], [outcome(*failing)])] == [(fact, value)]
    assert compare([outcome(*failing)], [outcome(*stable)]) == [], "what was volatile before may be stable now"
    assert compare([outcome(*failing)], [outcome(*failing)]) == []


@pytest.mark.parametrize("fact", ["status", "content-type", "location", "sha256"])
def test_what_differs_between_two_runs_is_volatile(fact: str) -> None:
    value = 404 if fact == "status" else "/other"
    original = merge_runs([outcome(page())], [outcome(page(**{fact: value}))])
    assert compare(original, [outcome(page())]) == []
    assert compare(original, [outcome(page(**{fact: value}))]) == []


def test_what_one_of_two_runs_saw_vary_is_volatile() -> None:
    original = merge_runs([outcome(page())], [outcome(page(volatile=VOLATILE))])
    assert compare(original, [outcome(page(sha256="bb"))]) == []


def test_a_status_that_varies_is_one_of_those_that_were_seen() -> None:
    original = merge_runs([outcome(page())], [outcome(page(status=404))])
    assert [one.fact for one in compare(original, [outcome(page(status=500))])] == ["status"]


def test_a_fact_that_is_stable_counts_where_others_vary() -> None:
    original = merge_runs([outcome(page())], [outcome(page(sha256="bb", location="/y"))])
    assert [one.fact for one in compare(original, [outcome(page(sha256="cc", status=500))])] == ["status"]


def test_a_random_boundary_is_no_other_media_type() -> None:
    first, second, third = (page(**{"content-type": f"multipart/mixed; boundary={n}"}) for n in range(3))
    original = merge_runs([outcome(first)], [outcome(second)])
    assert compare(original, [outcome(third)]) == []
    assert [one.fact for one in compare(original, [outcome(page())])] == ["content-type"]


def test_links_with_a_random_name_are_known_by_what_they_are_like() -> None:
    original = merge_runs([outcome(page(), page("http:80/a"))], [outcome(page(), page("http:80/b"))])
    assert compare(original, [outcome(page(), page("http:80/c", sha256="cc"))]) == []
    assert [d.fact for d in compare(original, [outcome(page(), page("http:80/c", status=500))])] == [SEEN]


def test_what_was_written_may_vary_between_runs() -> None:
    one, two, three = (Observation("POST http:80/pets", {**PAGE, "location": f"/{n}"}, once=True) for n in range(3))
    assert compare(merge_runs([outcome(one)], [outcome(two)]), [outcome(three)]) == []
    assert compare([outcome(one)], [outcome(three)])


def test_a_run_that_fails_excuses_nothing() -> None:
    original = merge_runs([outcome(page())], [outcome(page(status=500, sha256="bb"), ok=False)])
    assert original == (outcome(page()),)
    assert compare([outcome(page())], [outcome(page(), ok=False)])
