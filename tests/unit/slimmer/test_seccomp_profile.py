"""A profile allows what was called and what is listed with its reason, and never what the runs were refused."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import pytest
from cntr_slimmer.profiles.baseline import BASELINE
from cntr_slimmer.profiles.calls import Calls
from cntr_slimmer.profiles.seccomp import Bound, allowed, seccomp_profile
from cntr_slimmer.profiles.seccomp_replay import bound_of, replayed
from cntr_slimmer.request import RunOptions

from cntr_core.runtime.seccomp import call_name, compile_filter

pytestmark = pytest.mark.requires("x86_64")
_ALL_BUT_MOUNT = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mount"], "action": "SCMP_ACT_ERRNO"}]}
_DOCKER = bound_of(RunOptions())


def _made(*names: str) -> Calls:
    return Calls(made=frozenset(names))


def _rule(profile: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    return [rule for rule in profile["syscalls"] if name in rule["names"]]


def test_what_was_called_is_allowed_and_nothing_else_without_a_reason() -> None:
    profile = seccomp_profile(_DOCKER, _made("flock", "write"), (), ("about",))
    listed = {name for reason in BASELINE for name in reason.names}
    assert allowed(profile) - listed == {"flock"}
    assert all(rule["comment"] for rule in profile["syscalls"])
    assert profile["comment"] == ["about"] and profile["defaultAction"] == "SCMP_ACT_ERRNO"
    assert compile_filter(profile).instructions


def test_the_conditions_of_the_runs_stay() -> None:
    profile = seccomp_profile(_DOCKER, _made("socket", "personality", "clone"), (), ())
    for name in ("socket", "personality", "clone"):
        assert _rule(profile, name) and all(rule["args"] for rule in _rule(profile, name))
    # glibc tries clone3 first, and takes ENOSYS alone for an answer that another call may be tried.
    (refused,) = _rule(profile, "clone3")
    assert (refused["action"], refused["errnoRet"]) == ("SCMP_ACT_ERRNO", 38)
    assert _rule(seccomp_profile(_DOCKER, _made("write"), (), ()), "personality") == []


def test_what_the_runs_were_refused_is_not_learnt() -> None:
    assert not {"mount", "setns"} & allowed(seccomp_profile(_DOCKER, _made("mount"), ("setns",), ()))


def test_an_engine_may_have_allowed_more_than_docker() -> None:
    profile = seccomp_profile(Bound(_DOCKER.profile, assumed=True), _made("mount", "clone3"), (), ())
    assert {"mount", "clone3"} <= allowed(profile)
    assert {rule["action"] for rule in _rule(profile, "clone3")} == {"SCMP_ACT_ALLOW"}


@pytest.mark.parametrize(
    ("bound", "lost"),
    [
        (None, set()),
        (_ALL_BUT_MOUNT, {"mount"}),
        ({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": []}, {"mount", "keyctl"}),
    ],
)
def test_profiles_of_the_user_are_bounds(bound: Mapping[str, Any] | None, lost: Collection[str]) -> None:
    profile = seccomp_profile(Bound(bound), _made("mount", "keyctl"), (), ())
    assert {"mount", "keyctl"} - allowed(profile) == lost


def test_processes_of_32_bits_are_allowed_where_one_was_seen() -> None:
    plain = seccomp_profile(_DOCKER, _made("write"), (), ())
    both = seccomp_profile(_DOCKER, Calls(made=frozenset({"write"}), narrow=frozenset({"flock"})), (), ())
    assert len(both["architectures"]) == len(plain["architectures"]) + 1
    assert "flock" in allowed(both)
    assert seccomp_profile(_DOCKER, Calls(x32=True), (), ())["architectures"][-1] == "SCMP_ARCH_X32"


def test_all_names_are_known_to_some_machine() -> None:
    found = {call_name(number, narrow=narrow) for narrow in (False, True) for number in range(1024)}
    listed = {name for reason in BASELINE for name in reason.names}
    assert listed <= found
    assert len(listed) == sum(len(reason.names) for reason in BASELINE), "a name has two reasons"


def test_a_call_that_a_replay_misses_is_learnt() -> None:
    tried = []

    def replay(profile: Mapping[str, Any]) -> tuple[str, Calls]:
        tried.append(allowed(profile))
        missed = frozenset({"flock", "mount"}) - allowed(profile)
        return "it differs" * ("flock" in missed), Calls(refused=missed)

    made = replayed(_DOCKER, _made("write"), ["about"], replay, 3)
    assert (made.verified, made.learnt, len(tried)) == (True, ("flock",), 2)
    assert "flock" in made.allowed and "mount" not in made.allowed


def test_a_replay_that_still_fails_says_what_was_refused() -> None:
    def replay(_: Mapping[str, Any]) -> tuple[str, Calls]:
        return "it differs", Calls(refused=frozenset({"flock"}))

    made = replayed(_DOCKER, _made("write"), [], replay, 0)
    assert (made.verified, made.file) == (False, "seccomp.unverified.json")
    assert made.trouble == "it differs; refused were flock"


def test_what_has_no_name_is_told_by_its_number() -> None:
    made = replayed(_DOCKER, Calls(unnamed=frozenset({1023, 999})), [], None, 0)
    assert any("999, 1023" in line for line in made.missed) and not made.verified and not made.trouble


def test_calls_of_several_runs_are_joined() -> None:
    one, other = Calls(made=frozenset({"a"}), refused=frozenset({"b", "c"})), Calls(narrow=frozenset({"b"}))
    assert one | other == Calls(frozenset({"a"}), frozenset({"b"}), frozenset({"c"}))
