"""Asking rules: until nothing is new, in any order of sets, and whatever a rule does."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from cntr_slimmer.rules.builtin import RULES
from cntr_slimmer.rules.closure import Reason, chosen, close

from cntr_core.errors import CntrError, ImageError, PluginError
from cntr_core.rules import Keep, Profile, Rule, RuleContext
from tests.unit.slimmer.rules.directory_view import DirectoryView
from tests.unit.slimmer.rules.trees import ANY, ask, context, plant


class Calls(Rule):
    """A rule that is a function of its context."""

    name = "calls"
    description = "What its function says."

    def __init__(self, keep: Callable[[RuleContext], Iterable[Keep]], name: str = "calls") -> None:
        self._keep = keep
        self.name = name  # type: ignore[misc] # one class stands for several rules

    def keep(self, context: RuleContext) -> Iterable[Keep]:
        return self._keep(context)


def after(path: str, then: str) -> Calls:
    """A rule that keeps `then` once `path` is kept."""
    keep = Keep(then.encode(), f"after {path}")
    return Calls(lambda context: [keep] if path.encode() in context.fresh else [], f"after-{path[1:]}")


def test_rules_are_asked_again_until_none_has_anything_new(tmp_path: Path) -> None:
    plant(tmp_path, {"a": "", "b": "", "c": "", "d": "", "e": ""})
    rules = [after("/c", "/d"), after("/b", "/c"), after("/a", "/b")]
    assert ask(tmp_path, rules, ["/a"]) == {
        "/b": Reason("after-a", "after /a"),
        "/c": Reason("after-b", "after /b"),
        "/d": Reason("after-c", "after /c"),
    }


def test_rules_that_name_each_others_files_come_to_an_end(tmp_path: Path) -> None:
    plant(tmp_path, {"a": "", "b": ""})
    assert list(ask(tmp_path, [after("/a", "/b"), after("/b", "/a")], ["/a"])) == ["/b"]


def test_a_chain_without_end_is_followed_for_a_while(tmp_path: Path) -> None:
    plant(tmp_path, {f"{number:04}": "" for number in range(1000)})

    def following(context: RuleContext) -> Iterable[Keep]:
        return [Keep(b"/%04d" % (int(path[1:]) + 1), "next") for path in context.fresh if path != b"/"]

    assert 100 < len(ask(tmp_path, [Calls(following)], ["/0000"])) < 1000


def test_each_kept_path_is_shown_to_each_rule_once(tmp_path: Path) -> None:
    plant(tmp_path, {"a": "", "b": "", "c": ""})
    shown: list[bytes] = []
    firsts: list[bool] = []

    def watch(context: RuleContext) -> Iterable[Keep]:
        shown.extend(context.fresh)
        firsts.append(context.first)
        assert context.fresh <= context.kept
        return []

    ask(tmp_path, [Calls(watch), after("/a", "/b"), after("/b", "/c")], ["/a"])
    assert sorted(shown) == [b"/", b"/a", b"/b", b"/c"]
    assert firsts == [True, *[False] * (len(firsts) - 1)]


def test_links_on_the_way_and_directories_above_are_kept_too(tmp_path: Path) -> None:
    plant(
        tmp_path,
        {"usr/lib/x.so.1.2": "", "usr/lib/x.so": "->x.so.1", "usr/lib/x.so.1": "->x.so.1.2", "lib": "->usr/lib"},
    )
    view = DirectoryView(tmp_path)
    kept, _ = close(context(view, {}), [Calls(lambda _: [Keep(b"/lib/x.so", "wanted")])])
    expected = {b"/", b"/lib", b"/usr", b"/usr/lib", b"/usr/lib/x.so", b"/usr/lib/x.so.1", b"/usr/lib/x.so.1.2"}
    assert set(kept) == expected
    assert set(kept.values()) == {Reason("calls", "wanted")}


def test_a_dangling_link_is_kept_as_it_is_and_an_absent_file_is_not(tmp_path: Path) -> None:
    plant(tmp_path, {"a": "->nowhere", "loop": "->loop"})
    rule = Calls(lambda _: [Keep(path, "") for path in (b"/a", b"/loop", b"/none", b"/a/below")])
    assert set(ask(tmp_path, [rule], [])) == {"/a", "/loop"}


def test_what_the_run_made_itself_is_shown_to_no_rule(tmp_path: Path) -> None:
    plant(tmp_path, {"a": ""})
    assert ask(tmp_path, [after("/made", "/a")], ["/made"]) == {}


def test_the_first_reason_stays(tmp_path: Path) -> None:
    plant(tmp_path, {"a": ""})
    rules = [Calls(lambda _: [Keep(b"/a", "mine")], name) for name in ("first", "second")]
    assert ask(tmp_path, rules, []) == {"/a": Reason("first", "mine")}


def test_nothing_is_kept_for_the_sake_of_what_is_excluded(tmp_path: Path) -> None:
    plant(tmp_path, {"a": "", "b": "", "c": "", "x": "", "y": ""})
    rules = [after("/a", "/b"), after("/b", "/c"), after("/x", "/y")]
    used = {b"/a": ANY, b"/x": ANY}
    kept, _ = close(context(DirectoryView(tmp_path), used), rules, excluded=lambda path: path in (b"/b", b"/x"))
    assert not {b"/b", b"/c", b"/y"} & set(kept)


def _raise(error: BaseException) -> Callable[[RuleContext], Iterable[Keep]]:
    def keep(_: RuleContext) -> Iterable[Keep]:
        raise error
        yield  # an error comes out of a generator late

    return keep


def test_a_rule_that_fails_is_named(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match=r"^the rule 'calls' failed: KeyError: 'x'$") as caught:
        ask(tmp_path, [Calls(_raise(KeyError("x")))], [])
    assert caught.value.hint


def test_an_error_of_the_image_stays_one_and_names_the_rule(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"^rule 'calls': a layer is corrupt$") as caught:
        ask(tmp_path, [Calls(_raise(ImageError("a layer is corrupt", "pull it again")))], [])
    assert caught.value.hint == "pull it again"


def test_a_rule_that_answers_nonsense_is_named(tmp_path: Path) -> None:
    with pytest.raises(CntrError, match="calls"):
        ask(tmp_path, [Calls(lambda _: ["/a"])], [])  # type: ignore[list-item]


def test_ctrl_c_is_no_failure_of_a_rule(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        ask(tmp_path, [Calls(_raise(KeyboardInterrupt()))], [])


def test_rules_are_chosen_by_profile_and_by_name() -> None:
    rules = [Calls(lambda _: [], "one"), Calls(lambda _: [], "two"), Calls(lambda _: [], "three")]
    for rule, profile in zip(rules, (Profile.CAREFUL, Profile.MINIMAL), strict=False):
        rule.profile = profile  # type: ignore[misc] # one class stands for several rules
    assert [rule.name for rule in chosen(rules, Profile.MINIMAL)] == ["two"]
    assert [rule.name for rule in chosen(rules)] == ["two", "three"]  # a rule that says nothing is balanced
    assert list(chosen(rules, Profile.CAREFUL)) == rules
    assert [rule.name for rule in chosen(rules, Profile.MINIMAL, with_=["one"], without=["two"])] == ["one"]
    with pytest.raises(PluginError, match="unknown rule 'four'"):
        chosen(rules, with_=["four"])


_PROGRAM = """
import sys
from cntr_slimmer.rules.builtin import RULES
from tests.unit.slimmer.rules.trees import ask
print(ask(sys.argv[1], RULES, sys.argv[2:], {"LANG": "de_DE.UTF-8"}, working_dir=b"/usr/local"))
"""


def test_the_result_is_the_same_whatever_the_order_of_sets(tmp_path: Path) -> None:
    """On this machine's own Python, by all rules: a copy of it, as others may write to the original."""
    used = [os.path.realpath(sys.executable), "/usr/share/zoneinfo/UTC"]
    _copy([*used, *ask("/", RULES, used, {"LANG": "de_DE.UTF-8"}, working_dir=b"/usr/local")], tmp_path)
    results = set()
    for seed in ("1", "2", "3"):
        command = [sys.executable, "-c", _PROGRAM, tmp_path, *used]
        run = subprocess.run(command, env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, timeout=60)
        assert run.returncode == 0, run.stderr.decode()
        results.add(run.stdout)
    [result] = results
    assert b"libc.so.6" in result


def _copy(paths: Iterable[str], place: Path) -> None:
    """Files of this machine below `place`, with the links on the way to them."""
    names = [path.lstrip("/") for path in paths] + [name for name in os.listdir("/") if os.path.islink("/" + name)]
    command = ["tar", "--create", "--ignore-failed-read", "--directory=/", "--no-recursion", "--null", "--files-from=-"]
    with subprocess.Popen([*command, "--file=-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as pack:
        assert pack.stdin is not None
        pack.stdin.write("\0".join(names).encode())
        pack.stdin.close()
        subprocess.run(["tar", "--extract", "--file=-", "--directory", place], stdin=pack.stdout, check=True)
