"""What rules cost and gain, and what failed steps lack: from a report, and from what steps use of the original."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from cntr_slimmer.report.schema import File, Probes, Report, Share

from cntr_core.filesystem import AccessEvent
from cntr_core.plugins import load
from cntr_core.rules import Profile, Rule
from evaluation.ablation import Ablation, gained, sums
from evaluation.judged import Judged, lacking, lacks
from evaluation.lines import read_lines, write_lines
from evaluation.manifest import Entry, entries
from evaluation.proof import compared
from evaluation.results import Step
from evaluation.rules_command import each_image
from evaluation.uses import StepObserver, Use

_REPORT = Report(
    image="i",
    digest="sha256:0",
    platform="linux/amd64",
    created="",
    cntr="",
    kernel="",
    profile="balanced",
    ok=True,
    trouble="",
    verified=True,
    content=Share(),
    destination="",
    halves=(),
    layers=(),
    directories=(),
    packages=(),
    unread_packages="",
    largest_gone=(),
    gone_directories=(),
    findings=(),
    probes=Probes(),
    repairs=(),
    unmatched=(),
    phases={},
    absent=(),
    files=(
        File(path="/bin/app", rule="trace", bytes=9),
        File(path="/lib/plugin.so", rule="presets", bytes=5),
        File(path="/bin/su", bytes=7),
        File(path="/etc/pam", bytes=1),
        File(path="/etc", type="directory"),
        File(path="/bin/gone", bytes=2),
    ),
)


def _use(run: str, step: str, *opened: str, starts: bool = False, seen: tuple[str, ...] = (), ok: bool = True) -> Use:
    return Use(run, step, ok, starts, opened, seen)


_USES = (
    _use("minimal", "a", "/bin/app", starts=True),
    _use("check", "b", "/bin/app", "/lib/plugin.so"),
    _use("check", "c", "/bin/su", "/etc/pam", seen=("/etc", "/bin/gone")),
    _use("tls", "d", "/bin/gone", starts=True),
    _use("tls", "e", "/bin/app", ok=False),
)


def _judged(*passed: bool) -> Judged:
    steps = tuple(Step(use.run, use.step, ok, "", 0.1) for use, ok in zip(_USES, passed, strict=True))
    return Judged(_REPORT, steps)


def test_a_failed_step_lacks_what_it_opens_of_the_original() -> None:
    found = list(lacks(_judged(True, True, False, False, False), _USES))
    assert [lack.step.step for lack in found] == ["c", "d", "e"]
    assert [[file.path for file in lack.opened] for lack in found] == [["/bin/su", "/etc/pam"], ["/bin/gone"], []]
    assert [file.path for file in found[0].seen] == ["/bin/gone"], "directories are always there"
    assert [file.path for file in found[2].start] == ["/bin/gone"], "what its container's start lacks"
    assert [lack.sound for lack in found] == [True, True, False]
    short = lacking("image", found[0])
    assert (short.files, short.count, short.bytes) == (("/bin/su", "/etc/pam"), 2, 8)
    assert lacking("image", found[2]).files == ("/bin/gone",)


def _rule(profile: Profile) -> Rule:
    return next(rule for rule in load().rules if rule.profile is profile)


@pytest.mark.parametrize(
    ("profile", "files", "passed", "expected"),
    [
        (Profile.BALANCED, {"/lib/plugin.so"}, True, ["b"]),
        (Profile.BALANCED, {"/lib/plugin.so"}, False, []),
        (Profile.BALANCED, {"/bin/other"}, True, []),
        (Profile.CAREFUL, {"/bin/su", "/etc/pam"}, True, ["c"]),
        (Profile.CAREFUL, {"/bin/su"}, True, []),
    ],
)
def test_a_rule_gains_the_checks_that_need_its_files(
    profile: Profile, files: set[str], passed: bool, expected: list[str]
) -> None:
    judged = _judged(True, passed, False, False, False)
    assert [use.step for use in gained(judged, _USES, _rule(profile), frozenset(files))] == expected


def test_what_was_asked_while_tracing_is_no_gain() -> None:
    judged = _judged(True, True, True, True, True)
    gains = gained(judged, _USES, _rule(Profile.BALANCED), frozenset({"/bin/app"}))
    assert [use.step for use in gains] == ["b", "c"], "and what the original fails, neither"


def test_the_sums_are_over_all_images(tmp_path: Path) -> None:
    one = Ablation("one", "elf", "minimal", 2, 10, 100, (("check", "b"),))
    found = [one, dataclasses.replace(one, image="two", bytes=50), dataclasses.replace(one, rule="libc", bytes=90)]
    write_lines(str(tmp_path / "rules.jsonl"), found)
    assert read_lines(str(tmp_path / "rules.jsonl"), Ablation) == found
    libc, elf = sums(found, 3)
    assert (libc.rule, elf.rule) == ("libc", "elf")
    assert (elf.images, elf.files, elf.bytes, elf.steps) == (2, 4, 60, 2)
    assert elf.share == pytest.approx(0.2)


def test_what_is_lost_without_a_rule_is_compared_with_what_was_said() -> None:
    before = [Step(use.run, use.step, True, "", 0.1) for use in _USES]
    without = [dataclasses.replace(step, ok=step.step in ("c", "d")) for step in before]
    said = Ablation("one", "elf", "minimal", 2, 10, 100, (("check", "b"), ("check", "c")))
    proof = compared(said, before, without)
    assert proof.lost == (("check", "b"), ("tls", "e")), "what was asked while tracing is another matter"
    assert not proof.foreseen
    assert compared(said, before, [dataclasses.replace(step, ok=step.step != "b") for step in before]).foreseen


def test_what_two_steps_open_is_seen_in_both() -> None:
    observer = StepObserver()
    observer.saw(AccessEvent("open", b"/a b", 1))
    observer.saw(AccessEvent("lookup", b"/gone", 1, 2))
    observer.step_is(1)
    observer.saw(AccessEvent("open", b"/a b", 1))
    observer.saw(AccessEvent("read", b"/a b", 1))
    observer.close()
    used = observer.used()
    observer.release()
    assert used == {(0, b"/a b"): {"open"}, (1, b"/a b"): {"open", "read"}}


def test_an_image_that_fails_is_named_and_stops_no_other(capsys: pytest.CaptureFixture[str]) -> None:
    def work(entry: Entry) -> str:
        if entry.name == "bash":
            raise OSError("no report")
        return entry.name

    done: list[str] = []
    assert each_image(entries(["bash", "alpine"]), 2, work, done.append) == ["alpine"] == done
    assert capsys.readouterr().err.splitlines() == ["bash: failed: OSError('no report')", "alpine [2 of 2]"]
