"""What a slim image must be: gates of a pipeline."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest

from tests.integration.slim.conftest import MakeApp, Slim
from tests.unit.images.layouts import file

pytestmark = pytest.mark.requires("root", "fuse", "overlayfs", "runc", "busybox")


def _cases(slim: Slim) -> dict[str, str]:
    """The test cases that JUnit's document has, with what is wrong with each."""
    suite = ElementTree.parse(slim.place / "junit.xml").getroot()[0]
    found = {case.get("name", ""): "".join(each.get("message", "") for each in case) for case in suite}
    assert (int(suite.get("tests", "")), int(suite.get("failures", ""))) == (len(found), sum(map(bool, found.values())))
    return found


def _wrong(slim: Slim) -> dict[str, str]:
    """What SARIF's document has results of, each of a rule that it names and with the image as its place."""
    (run,) = json.loads((slim.place / "s.json").read_text())["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    found = {one["ruleId"]: one["message"]["text"] for one in run["results"]}
    assert all(rules[one["ruleIndex"]] == one["ruleId"] for one in run["results"])
    assert all(one["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for one in run["results"])
    return found


def test_an_image_that_is_not_what_it_must_be_is_not_written(slim: Slim, app: MakeApp) -> None:
    image = app("cat /data/used", file("data/used", b"u"), file("data/large", b"l" * 5_000_000))
    words = ("slim", image, "-o", "pair.tar", "--report", "report", "--probe", "exit", "--no-rule", "application")
    files = ("--junit", "junit.xml", "--sarif", "s.json")
    wanted = ("--min-saving", "50", "--fail-on", "shell", "--fail-on", "setuid", *files)
    done = slim.cntr(*words, *wanted, "--max-size", "10k")
    assert done.returncode == 125
    assert "the slim image is not what it must be: --max-size: " in done.stderr
    assert "wanted at most 10.0 kB; --fail-on shell: /bin/" in done.stderr
    assert not (slim.place / "pair.tar").exists()
    gates = {gate["name"]: gate for gate in json.loads((slim.place / "report/report.json").read_text())["gates"]}
    assert {name: gate["passed"] for name, gate in gates.items()} == {
        "--max-size": False,
        "--min-saving": True,
        "--fail-on shell": False,
        "--fail-on setuid": True,
    }
    assert set(_wrong(slim)) == {"--max-size", "--fail-on shell"}
    assert _wrong(slim)["--max-size"].endswith("wanted at most 10.0 kB")
    cases = _cases(slim)
    assert {name for name, trouble in cases.items() if trouble} == {"--max-size", "--fail-on shell"}
    assert cases["probe exit"] == cases["the slim image does what the original does"] == ""

    done = slim.cntr(*words, "--min-saving", "50", "--max-size", "4.5MB", *files)
    assert done.returncode == 0, done.stderr
    assert (slim.place / "pair.tar").exists()
    assert ", wanted at most 4.5 MB\n" in done.stdout
    assert not any(_cases(slim).values())
    assert _wrong(slim) == {}


def test_a_pipeline_sees_which_probe_failed(slim: Slim, app: MakeApp) -> None:
    image = app("cat /data/used", file("data/used", b"u"))
    words = ("--probe", "exit", "--no-rule", "application", "--exclude", "/data/used", "--repairs", "0")
    done = slim.cntr("slim", image, *words, "--junit", "junit.xml")
    assert done.returncode == 125
    assert _cases(slim)["the slim image does what the original does"] in done.stderr


def test_a_pipeline_sees_why_there_is_no_report(slim: Slim, app: MakeApp) -> None:
    files = ("--junit", "junit.xml", "--sarif", "s.json")
    done = slim.cntr("slim", app("exit 3"), "--probe", "exit", *files)
    assert done.returncode == 125
    assert [trouble for trouble in _cases(slim).values() if trouble] == list(_cases(slim).values()) != []
    assert all(trouble in done.stderr for trouble in _cases(slim).values())
    assert set(_wrong(slim)) == set(_cases(slim))
    done = slim.cntr("slim", "no-such.tar", *files)
    assert done.returncode == 125
    assert "no-such.tar" in _cases(slim)["the image is slimmed"]
