"""Results of the evaluation: as lines of a file, and what is still to be done after an interrupt."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from cntr_slimmer.report.schema import File, Finding, Half, Layer, Package, Probes, Report, RuleShare, Share

from evaluation.children import Children, Interrupted
from evaluation.machine import machine
from evaluation.manifest import Variant, entries
from evaluation.places import without_places
from evaluation.results import Kept, Pieces, Result, Rule, Step, read_results, with_result, write_results
from evaluation.top50 import Way, slim_line, trace_lines, with_report, workload
from evaluation.top50_command import told

_RESULT = Result(
    name="redis",
    kind="srv",
    origin="same",
    official="library/redis",
    software="Debian's redis-server",
    source="local",
    engine="",
    keep="balanced",
    probe="minimal",
    machine=machine(),
    started="2026-01-01T00:00:00+00:00",
)
_STEPS = (
    Step("minimal", "tcp:1", True, "", 0.1),
    Step("broad", "tcp:2", False, "no\nanswer", 0.2),
    Step("check", "exec:ä", True, "", 0.3),
    Step("other", "tcp:3", False, "", 0.4),
)


def test_results_are_lines_that_are_read_back(tmp_path: Path) -> None:
    full = dataclasses.replace(
        _RESULT,
        steps=_STEPS,
        bytes=Pieces(10, 1),
        seconds={"run": 0.5},
        rules={"trace": Rule(1, 2)},
        largest=(Kept("/a\nb", 1, "trace", "read"),),
    )
    other = dataclasses.replace(_RESULT, name="nginx", error="no such\nimage")
    path = tmp_path / "new/results.jsonl"
    assert read_results(str(path)) == []
    write_results(str(path), [full, other])
    assert len(path.read_text().splitlines()) == 2
    assert read_results(str(path)) == [full, other]
    assert [each.name for each in path.parent.iterdir()] == ["results.jsonl"]


def test_a_result_says_nothing_of_where_this_machine_keeps_things() -> None:
    script = Step("broad", "sh:no", False, "/a/cache/scripts/0f.sh: line 3: /tmp/x: no\n/a/cache/logs/n.slim", 0.1)
    bundle = Step("check", "exec:no", False, "open /a/b/cntr-run-0a62afa83d8d3691/.log.exec: gone", 0.1)
    result = dataclasses.replace(_RESULT, steps=(script, bundle), error="see /a/cache/logs/n.build")
    told = without_places(result, {"/a/cache": "CACHE", "/a/cache/scripts": "SCRIPTS"})
    assert told.steps[0].detail == "SCRIPTS/0f.sh: line 3: /tmp/x: no\nCACHE/logs/n.slim"
    assert told.steps[1].detail == "open TEMPORARY/.log.exec: gone"
    assert told.error == "see CACHE/logs/n.build"


def test_a_result_takes_the_place_of_the_one_that_it_repeats() -> None:
    again = dataclasses.replace(_RESULT, error="now it fails")
    docker = dataclasses.replace(_RESULT, engine="docker")
    first = dataclasses.replace(_RESULT, name="adminer")
    assert with_result([_RESULT, docker], again) == [again, docker]
    assert with_result([_RESULT], first) == [first, _RESULT]


def test_what_drove_the_trace_is_no_check() -> None:
    minimal = dataclasses.replace(_RESULT, steps=_STEPS)
    assert minimal.checks() == (1, 3)
    broad = dataclasses.replace(minimal, probe="broad", reduction=0.5, joined=True)
    assert broad.checks() == (1, 2)
    assert told(broad) == "redis: 50.0% less, 1 of 2 checks, 1 steps of the workload fail"
    assert not broad.ok and dataclasses.replace(broad, steps=_STEPS[:1]).ok


def test_an_image_is_slimmed_by_the_words_of_a_user(tmp_path: Path) -> None:
    (wordpress,) = entries(["wordpress"])
    line = slim_line(
        wordpress, "/images/wordpress", "/pairs/wordpress", Way("minimal", "careful", "docker"), str(tmp_path)
    )
    assert line[:2] == ["slim", "/images/wordpress"]
    assert {"--env=WORDPRESS_DB_HOST=127.0.0.1", "--probe=http:80/readme.html", "--keep=careful"} < set(line)
    assert "--engine=docker" in line and "--" not in line
    (busybox,) = entries(["busybox"])
    broad = slim_line(busybox, "/image", "/pairs", Way(), str(tmp_path))
    assert broad[-3:] == ["--", "sleep", "1000000"]
    assert "--probe=exec:id" in broad
    assert not [word for word in broad if word.startswith(("--keep=", "--engine="))]


def test_other_ways_to_start_that_a_test_suite_has_are_traced_too(tmp_path: Path) -> None:
    (redis,) = entries(["redis"])
    other = Variant("other", {"A": "1"}, ("redis-server", "--version"), ("exit",), ())
    redis = dataclasses.replace(redis, env={"B": "2"}, variants=(*redis.variants, other))
    traces = trace_lines(redis, "/image", "/pairs", Way("broad", engine="docker"), str(tmp_path))
    times = ["--timeout", "180", "--stop-timeout", "10"]
    words = ["--env=B=2", "--env=A=1", "--probe=exit", "--engine=docker", "--", "redis-server", "--version"]
    assert traces["/pairs/other.jsonl.zst"] == [
        *("trace", "run", "/image", "--output", "/pairs/other.jsonl.zst"),
        *times,
        *words,
    ]
    assert "--trace=/pairs/other.jsonl.zst" in slim_line(redis, "/image", "/pairs", Way(), str(tmp_path), traces)
    assert trace_lines(redis, "/image", "/pairs", Way("minimal"), str(tmp_path)) == {}


def test_other_steps_are_another_workload() -> None:
    (redis,) = entries(["redis"])
    assert workload(redis) == workload(dataclasses.replace(redis))
    assert workload(redis) != workload(dataclasses.replace(redis, env={"A": "1"}))
    assert workload(redis) != workload(dataclasses.replace(redis, variants=redis.variants[1:]))


def test_figures_come_from_the_report() -> None:
    layers = (Layer(diff_id="", tar=100, slim_tar=10, fat_tar=95), Layer(diff_id="", tar=100, slim_tar=30, fat_tar=75))
    packages = [Package(name=name, manager="dpkg", files=files, kept_files=kept) for name, files, kept in _PACKAGES]
    report = Report(
        image="",
        platform="",
        created="",
        cntr="",
        kernel="",
        trouble="",
        unread_packages="",
        digest="sha256:0",
        ok=True,
        verified=True,
        content=Share(files=9, kept_files=3, bytes=200, kept_bytes=40),
        destination="",
        halves=(
            Half(role="slim", name="n", digest="sha256:1", compressed=1),
            Half(role="fat", name="n", digest="", compressed=1),
        ),
        layers=layers,
        directories=(),
        packages=tuple(packages),
        largest_gone=(),
        gone_directories=(),
        findings=(Finding(kind="setuid", path="/su"), Finding(kind="shell", path="/sh", kept=True)),
        probes=Probes(),
        repairs=(("/a",),),
        unmatched=(),
        rules=(RuleShare(name="trace", files=3, bytes=40),),
        phases={"trace": 2.04, "split": 1.0},
        absent=(),
        files=(
            File(path="/a", bytes=30, rule="trace", because="read"),
            File(path="/b", bytes=50),
            File(path="/c", type="hard link", bytes=0, rule="trace", because="read", target="/a"),
        ),
    )
    found = with_report(_RESULT, report, 5.0)
    assert found.slim == "sha256:1"
    assert (found.bytes, found.files, found.packages) == (Pieces(200, 40), Pieces(9, 3), Pieces(2, 1))
    assert (found.setuid, found.shells, found.reduction) == (Pieces(1, 0), Pieces(1, 1), 0.8)
    assert found.seconds == {"run": 2.0, "split": 1.0, "save": 2.0}
    assert found.largest == (Kept("/a", 30, "trace", "read"),)
    assert found.rules == {"trace": Rule(3, 40)} and found.repairs == 1 and found.verified


_PACKAGES = (("without", 0, 0), ("gone", 3, 0), ("kept", 4, 1))


def test_children_that_end_are_replaced_by_none(tmp_path: Path) -> None:
    children = Children()
    log, output = str(tmp_path / "log"), str(tmp_path / "output")
    assert children.run(["sh", "-c", "echo said; echo logged >&2; exit 3"], log, output) == 3
    assert Path(output).read_text() == "said\n" and Path(log).read_text() == "logged\n"
    assert children.run(["sh", "-c", "echo both; echo here >&2"], log) == 0
    assert Path(log).read_text() == "both\nhere\n"
    children.end()
    with pytest.raises(Interrupted):
        children.run(["touch", str(tmp_path / "never")], log)
    assert not (tmp_path / "never").exists()
