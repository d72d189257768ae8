"""The page of the evaluation: its figures are those of the results, and what is committed is what they make."""

from __future__ import annotations

import html.parser
import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from evaluation.ablation import Ablation
from evaluation.first_answer.results import RESULTS as ANSWERS
from evaluation.first_answer.results import FirstAnswer, Taken, read_answers, write_answers
from evaluation.judged import Lacking
from evaluation.machine import ROOT
from evaluation.pages import Bound, Touched, read_bounds
from evaluation.paper import PROVENANCE, claims
from evaluation.proof import Proof
from evaluation.report.command import BOUNDS as COMMITTED_BOUNDS
from evaluation.report.command import MEASURED, PLACE, beyond, committed, pages, read_runs, readme_with, sentence
from evaluation.report.first_answer import NOT_MEASURED
from evaluation.report.measured import Measured, read_measured
from evaluation.report.numbers import Run, numbers
from evaluation.report.page import document
from evaluation.reproduce import CONFORMANCE, PAGE, REGISTRY, conformance_page, verdicts
from evaluation.reproduce import document as paper_document
from evaluation.results import Kept, Machine, PeerResult, Pieces, Result, Rule, Step, write_results
from evaluation.verdict import Outcome

MACHINE = Machine("Debian 12", "6.18", 2, 8 << 30, "3.11", "0.1.0", "c0de", "abc", "runc 1.1")


def _result(name: str, reduction: float, *steps: Step, origin: str = "same", error: str = "", keep: str = "") -> Result:
    return Result(
        name=name,
        kind="srv",
        origin=origin,
        official=f"library/{name}",
        software=f"Debian's {name}",
        source="local",
        engine="",
        keep=keep,
        probe="broad",
        machine=MACHINE,
        started="2026-11-26T04:00:00",
        bytes=Pieces(100_000_000, int(100_000_000 * (1 - reduction))),
        files=Pieces(1000, 100),
        packages=Pieces(90, 10),
        setuid=Pieces(8, 0),
        shells=Pieces(3, 1),
        reduction=reduction,
        steps=steps,
        joined=not error,
        seconds={"run": 2.0},
        rules={"trace": Rule(90, 1_000_000)},
        largest=(Kept("/usr/lib/a|b.so", 900_000, "trace", "opened"),),
        error=error,
    )


def _step(run: str, ok: bool = True, detail: str = "") -> Step:
    return Step(run, f"exec:{run}", ok, detail, 0.1)


RUN = [
    _result("one", 0.9, _step("minimal"), _step("broad"), _step("check")),
    _result("two", 0.7, _step("broad", ok=False, detail="why"), _step("check"), origin="substitute"),
    _result("three", 0.05, _step("broad"), _step("check", ok=False, detail="<b>`|*_why\0\x1b"), _step("tls")),
    _result("four", 0.0, error="it does not start"),
]


BOUNDS = {
    "two": Bound("two", "substitute", ("minimal", "broad"), 0, Touched(100_000_000, 20_000_000, 5_000_000, 9), MACHINE)
}


def test_the_bound_by_pages_stands_beside_what_is_kept() -> None:
    assert "| two (substitute) | 100.0 MB | 30.0 MB | 20.0 MB | 5.0 MB | 95.0 % |" in pages([RUN], BOUNDS)["top50.md"]
    assert "Not measured yet" in pages([RUN], {})["top50.md"]


def test_the_figures_are_those_of_the_results() -> None:
    found = numbers(RUN)
    assert (found.images, found.slimmed, found.little, found.joined) == (4, 3, 2, 3)
    assert found.mean == pytest.approx((0.9 + 0.7 + 0.05) / 4), "what failed did not shrink"
    assert found.same == pytest.approx((0.9 + 0.05) / 3)
    assert found.within == 0.5
    assert (found.asked, found.whole, found.checks) == (2, 2, (3, 4))


def test_an_image_at_the_papers_limits_counts_as_the_paper_says() -> None:
    found = numbers([_result("a", 0.6), _result("b", 0.97), _result("c", 0.1), _result("d", 0.0999)])
    assert (found.within, found.little) == (0.5, 1)


def test_every_table_tells_a_substitute() -> None:
    text = document([RUN], BOUNDS).markdown()
    rows = [line for line in text.splitlines() if line.startswith("| two")]
    assert len(rows) >= 3
    assert all("(substitute)" in row for row in rows)
    assert "two (substitute)" in pages([RUN], BOUNDS)["top50-images.svg"]


def test_both_forms_say_the_same_and_need_nothing_else() -> None:
    made = pages([RUN, [replace(one, keep="minimal") for one in RUN]], BOUNDS)
    seen = _Seen()
    seen.feed(made["top50.html"])
    assert seen.open == [], "every element is closed"
    assert not seen.loaded, "nothing is loaded from elsewhere"
    assert "b" not in seen.tags, "results are text"
    for words in ("by 41.2 % in the mean", "it does not start", "<b>`|*_why", "remembered, not checked"):
        assert words in seen.text
    plain = re.sub(r"\\(.)", r"\1", made["top50.md"])
    for words in ("by 41.2 % in the mean", "it does not start", "<b>`|*_why", "remembered, not checked"):
        assert words in plain
    assert not re.search(r"[\0\x1b]", made["top50.html"] + made["top50.md"])
    cells = {
        len(re.findall(r"(?<!\\)\|", line)) for line in made["top50.md"].splitlines() if line.startswith("| three")
    }
    assert cells <= {10, 4, 6, 9}, "a bar in a cell is none of the table's"


MEASURED_BESIDE = Measured(
    rules=(
        Ablation("one", "elf", "minimal", 2, 5_000_000, 100_000_000, (("check", "exec:check"),)),
        Ablation("two", "elf", "minimal", 1, 1_000_000, 100_000_000, (("check", "exec:check"),)),
        Ablation("two", "gems", "careful", 9, 8_000_000, 100_000_000, ()),
    ),
    proofs=(Proof("one", "elf", (("check", "exec:check"),), (("check", "exec:check"),)),),
    lacking=(
        Lacking("three", "check", "exec:check", True, ("/bin/su", "/etc/pam"), 7, 400_000),
        Lacking("two", "broad", "exec:broad", True, (), 0, 0),
    ),
)


def test_a_failed_step_stands_with_what_it_lacks() -> None:
    lines = document([RUN], {}, (), (), MEASURED_BESIDE).markdown().splitlines()
    (failed,) = (line for line in lines if line.startswith("| three | check |"))
    assert "| /bin/su, /etc/pam and 5 more (0.4 MB) |" in failed
    assert any(line.startswith("| two (substitute) | broad, asked") and line.endswith("| no file |") for line in lines)
    assert "2 of 8 steps fail, in 2 images" in document([RUN], {}).markdown()


def test_the_price_of_a_rule_is_what_it_alone_costs() -> None:
    text = document([RUN], {}, (), (), MEASURED_BESIDE).markdown()
    assert "| rule, of 2 images |" in text
    assert "| elf | minimal | 2 | 3 | 6.0 MB | 3.00 % | 2 | 3.00 |" in text
    assert "they lose 1 checks, where 1 were said to be gained; 1 of 1 lose nothing else (" in text
    assert "| elf | one | 1 | 1 | exec:check |" in text
    assert "| gems | careful | 1 | 9 | 8.0 MB | 4.00 % | 0 | no gain |" in text


def test_profiles_stand_side_by_side_image_by_image() -> None:
    text = document([RUN, [replace(one, keep="minimal", reduction=0.95, steps=()) for one in RUN]], {}).markdown()
    assert "| less, and checks that fail | balanced, broad | minimal, broad |" in text
    assert "| three | 5.0 %, 1 fail | 95.0 % |" in text


def test_a_second_run_tells_which_images_came_out_the_same() -> None:
    run = [replace(one, slim=f"sha256:{one.name}") for one in RUN]
    other = replace(run[1], slim="sha256:other", files=Pieces(1000, 101), rules={"trace": Rule(91, 1_000_100)})
    old = replace(run[2], machine=replace(MACHINE, code="older"))
    again = Measured(again=(run[0], other, old))
    text = document([run], {}, (), (), again).markdown()
    assert "Of 2 images that were slimmed twice, by the same code, 1 have the same digest" in text
    assert "| two (substitute) | 100, then 101 | 30.0 MB, then 30.0 MB | trace |" in text
    assert "a second run of" in document([run], {}).markdown()


@pytest.mark.parametrize("name", ["top50-images.svg", "top50-distribution.svg"])
def test_the_pictures_are_pictures(name: str) -> None:
    root = ElementTree.fromstring(pages([RUN], BOUNDS)[name])
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert "prefers-color-scheme: dark" in pages([RUN], BOUNDS)[name]
    if name == "top50-images.svg":
        widths = [float(bar.attrib["width"]) for bar in root.iter("{http://www.w3.org/2000/svg}rect")]
        assert widths == sorted(widths, reverse=True)
        assert widths[0] / widths[1] == pytest.approx(0.9 / 0.7, rel=0.01)


class _Seen(html.parser.HTMLParser):
    """What a page has: its elements, those that are never closed, its text, and what it loads."""

    VOID = frozenset(("meta", "br", "link", "img"))

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.loaded: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.loaded += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_run_that_counts_comes_first(tmp_path: object) -> None:
    files = []
    for keep in ("careful", "", "minimal"):
        files.append(f"{tmp_path}/{keep or 'balanced'}.jsonl")
        write_results(files[-1], [replace(one, keep=keep) for one in RUN])
    assert [run[0].keep for run in read_runs(sorted(files))] == ["", "careful", "minimal"]


def test_groups_beyond_the_fifty_have_a_section_and_change_no_other_figure(tmp_path: object) -> None:
    others = [
        replace(_result("torch", 0.6, _step("broad"), _step("check", ok=False, detail="no module")), kind="ml"),
        replace(_result("graph", 0.9, _step("broad"), _step("check")), kind="functions"),
        replace(_result("video", 0.0, error="it ends"), kind="functions"),
    ]
    files = [f"{tmp_path}/all.jsonl"]
    write_results(files[0], [*RUN, *others])
    alone, with_groups = pages(read_runs(files), BOUNDS), pages(read_runs(files), BOUNDS, beyond(files))
    section = with_groups["top50.md"].partition("## Beyond the fifty")[2].partition("\n## ")[0]
    assert with_groups["top50.md"].replace(f"## Beyond the fifty{section}\n", "") == alone["top50.md"]
    assert "| Inference behind HTTP | 1 | 60.0 % | 70.0 % | 0 of 1 | 0 of 1 (0.0 %) | 1 of 1 |" in section
    assert (
        "| Functions behind a runtime's server | 2 | 45.0 % | 85.0 % | 1 of 2 | 1 of 1 (100.0 %) | 1 of 2 |" in section
    )
    assert "| torch | exec:check | no module |" in section and "| failed |" in section


def _committed(runs: list[Run]) -> Mapping[str, str]:
    known = read_bounds(COMMITTED_BOUNDS), beyond(committed()), read_answers(ANSWERS), read_measured(MEASURED)
    return pages(runs, *known)


def test_what_is_committed_is_made_of_the_committed_results() -> None:
    runs = read_runs(committed())
    for name, content in _committed(runs).items():
        with open(os.path.join(PLACE, name), encoding="utf-8") as file:
            assert file.read() == content, "python -m evaluation report"
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
        text = file.read()
    assert text == readme_with(text, sentence(runs)), "the README's figures: python -m evaluation report"
    assert text.count("<!-- evaluation -->") == 1


def test_the_page_of_claims_is_made_of_the_committed_results() -> None:
    with open(PAGE, encoding="utf-8") as file:
        assert file.read() == paper_document().markdown(), "python -m evaluation reproduce --write"
    with open(CONFORMANCE, encoding="utf-8") as file:
        assert file.read() == conformance_page().markdown(), "python -m evaluation reproduce --write"


def test_each_claim_has_an_experiment_and_a_verdict() -> None:
    assert {one.claim for one in REGISTRY} == set(claims())
    assert all(claim.provenance in PROVENANCE for claim in claims().values())
    assert all(verdict.words for verdict in verdicts().values())


@pytest.mark.parametrize(
    ("reduction", "expected"),
    [(0.7, Outcome.BEATEN), (0.666, Outcome.REPRODUCED), (0.5, Outcome.NOT_REPRODUCED)],
)
def test_a_verdict_follows_from_the_results(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch, reduction: float, expected: Outcome
) -> None:
    place = f"{tmp_path}/top50"
    write_results(f"{place}/balanced-broad.jsonl", [_result(f"n{number}", reduction) for number in range(50)])
    monkeypatch.setattr("evaluation.report.command.RESULTS", place)
    monkeypatch.setattr("evaluation.reproduce.RESULTS", str(tmp_path))
    assert verdicts()["mean-reduction"].outcome == expected
    write_results(f"{place}/balanced-broad.jsonl", [_result("one", 0.9)])
    assert verdicts()["mean-reduction"].outcome == Outcome.NOT_RUN


def _answer(name: str, original: float, slim: float | None) -> FirstAnswer:
    """The original answers after `original` seconds, the slim image after `slim`, or never."""
    return FirstAnswer(
        name=name,
        kind="srv",
        origin="same",
        step="http:80/",
        mbit=100,
        milliseconds=20,
        machine=MACHINE,
        started="2026-11-26T04:00:00",
        engine="Docker 20",
        original=Taken(50_000_000, original - 2, 1.5, 0.5),
        slim=None if slim is None else Taken(5_000_000, slim - 2, 1.5, 0.5),
        error="" if slim is not None else "no answer to http:80/",
    )


ANSWERED = [_answer("one", 10.0, 4.0), _answer("two", 20.0, 4.0), _answer("three", 10.0, None)]


def test_the_first_answers_stand_in_the_page_the_shortest_first() -> None:
    text = pages([RUN], BOUNDS, answers=ANSWERED)["top50.md"]
    assert "In the mean of 2 images the slim one answers after 4.0 s, the original after 15.0 s (26.7 %)" in text
    assert "Each slim image takes 30.0 % of its original's time in the mean" in text
    rows = [line for line in text.splitlines() if "http:80/" in line]
    assert [row.split()[1] for row in rows] == ["two", "one", "three"]
    assert "| 20.0 s | 4.0 s | 20.0 % | 18.0 + 1.5 + 0.5 | 2.0 + 1.5 + 0.5 |" in rows[0]
    assert "failed" in rows[2] and "no answer" in rows[2]
    assert NOT_MEASURED in pages([RUN], BOUNDS)["top50.md"]


@pytest.mark.parametrize(
    ("slim", "expected"), [(2.5, Outcome.BEATEN), (3.2, Outcome.REPRODUCED), (5.0, "not reproduced")]
)
def test_a_shorter_start_than_the_peers_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slim: float, expected: str
) -> None:
    file = tmp_path / "first_answer.jsonl"
    write_answers(str(file), [_answer("one", 10.0, slim), *ANSWERED[2:]])
    monkeypatch.setattr("evaluation.reproduce.ANSWERS", str(file))
    monkeypatch.setattr("evaluation.reproduce.RESULTS", str(tmp_path))
    assert verdicts()["cold-start"].outcome == expected


def test_runs_in_engines_stand_apart_and_change_no_other_figure() -> None:
    docker = [replace(RUN[0], engine="docker", reduction=0.8)]
    alone, both = pages([RUN], BOUNDS)["top50.md"], pages([RUN, docker], BOUNDS)["top50.md"]
    section = both.partition("## Traced in containers of docker")[2].partition("\n## ")[0]
    assert both.replace(f"## Traced in containers of docker{section}\n", "") == alone
    assert "| one | 80.0 % | 1 of 1 | yes | 90.0 % | 1 of 1 |" in section


def test_peers_have_columns_where_they_were_measured() -> None:
    peers = {
        "mint": PeerResult("mint 1", 40, 0.6, 9.0, (_step("broad"), _step("check", ok=False))),
        "slim": PeerResult(error="it starts no container"),
    }
    page = pages([[replace(RUN[0], peers=peers), *RUN[1:]]], BOUNDS)["top50.md"]
    section = page.partition("## Peers")[2].partition("\n## ")[0]
    assert "| mint | 1 | 60.0 % | 0 of 1 | 0 of 1 (0.0 %) | mint 1 |" in section
    assert "| slim | 1 | 0.0 % | 0 of 1 | 0 of 1 (0.0 %) |  |" in section
    assert "| one | 90.0 % | 1 of 1 | 60.0 % | 0 of 1 | failed: it starts no container |  |" in section
    assert "## Peers" not in pages([RUN], BOUNDS)["top50.md"]


def test_what_an_intruder_finds_is_shown_of_each_image() -> None:
    section = pages([RUN], BOUNDS)["top50.md"].partition("## What a scanner")[2].partition("\n## ")[0]
    assert "| setuid and setgid programs | 24 | 0 | 100.0 % | 3 of 3 |" in section
    assert "| two (substitute) | 90 | 10 | 80 | 8 | 0 | 3 | 1 |" in section
