"""What the page says before any script runs."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path

import msgspec
from cntr_slimmer.pipeline import Verdict
from cntr_slimmer.probes.result import Difference, Observation, Outcome
from cntr_slimmer.report.html import render
from cntr_slimmer.report.schema import Gate

from tests.unit.images.layouts import file, tar
from tests.unit.slimmer.report.making import OUTCOME, report

MANUAL = Path(__file__).parents[4] / "packaging/man/cntr-slim.1"


def _text(page: str) -> str:
    """The page without its script, its data and its tags."""
    return " ".join(re.sub(r"<(script|style).*?</\1>|<[^>]*>", " ", page, flags=re.DOTALL).split())


def test_a_failure_shows_what_differs(tmp_path: Path) -> None:
    broken = Outcome("http:80/", False, 0.5, "answered 404", (Observation("http:80/", {"status": 404}),), "no <file>")
    differences = (
        Difference("http:80/", "", "ok", True, False),
        Difference("http:80/", "http:80/", "status", 200, 404),
    )
    verdict = Verdict((broken,), differences, repaired=((b"/etc/one", b"/etc/two"),))
    text = _text(render(report(tmp_path, verdict=verdict)))
    assert (
        "✗ The slim image does not do what the original does: http:80/: ok was true, and is false (and 1 more)." in text
    )
    assert "http:80/ ok true false http:80/ http:80/ status 200 404" in text
    assert "no &lt;file&gt;" in text
    assert "Round 1: 2 files /etc/one /etc/two" in text


def test_probes_that_only_the_slim_image_was_asked(tmp_path: Path) -> None:
    more = Outcome("exec:true", True, 0.1, "ended with code 0")
    text = _text(render(report(tmp_path, verdict=Verdict((OUTCOME, more)))))
    assert "exec:true Original not made Slim ✓ ended with code 0" in text


def test_the_times_shown_are_the_total_shown(tmp_path: Path) -> None:
    phases = {"read": 0.1299, "trace": 1.0251, "verify": 0.3349, "compress": 0.0049}
    page = render(msgspec.structs.replace(report(tmp_path), phases=phases, seconds=1.7))
    rows = re.findall(r'<th scope="row">([^<]*)</th><td class="n">([0-9.]+) s</td>', page)
    *parts, (name, total) = [(name, round(100 * float(time))) for name, time in rows]
    assert (name, total) == ("together", 170) and sum(time for _, time in parts) == 170
    assert parts[-1] == ("other", 170 - 12 - 102 - 33)


def test_the_sentence_and_the_evidence_come_first(tmp_path: Path) -> None:
    text = _text(render(report(tmp_path)))
    assert re.search(r"The slim image keeps \d+ of \d+ files", text) and "cntr why . /" in text
    headings = re.findall(r"<h[23]>([^<]*)</h", render(report(tmp_path)))
    assert headings[:4] == ["What was asked", "What was not asked", "What to do next", "Where the bytes are"]


def test_the_options_that_it_names_are_those_of_the_command(tmp_path: Path) -> None:
    made = report(tmp_path)
    gate = Gate(name="--max-size", found="2 MB", wanted="at most 1 MB", passed=False)
    failed = msgspec.structs.replace(made, ok=False, trouble="it fails")
    named = set()
    for one in (made, failed, msgspec.structs.replace(made, gates=(gate,))):
        page = render(one)
        named |= set(re.findall(r"<code>(--[a-z-]+)", page[page.index('id="next"') : page.index('id="where"')]))
    assert named == {"--probe", "--keep", "--include", "--exclude"}
    assert all(f"\\fB\\-\\-{option[2:]} " in MANUAL.read_text() for option in named)


def test_only_its_own_script_may_run(tmp_path: Path) -> None:
    page = render(report(tmp_path))
    [script] = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    [allowed] = re.findall(r"script-src 'sha256-(.*?)'", page)
    assert base64.b64decode(allowed) == hashlib.sha256(script.encode()).digest()
    assert "default-src 'none'" in page
    assert set(re.findall(r"(?:src|href)=[\"']?(.)", page)) == {"#"}


def test_names_cannot_end_the_data(tmp_path: Path) -> None:
    name = "</script><!--<img src=x onerror=alert(1)>"
    page = render(report(tmp_path, [tar(file(name, b"x"))], used=[b"/" + name.encode()]))
    [data] = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert f"/{name}" in [row[0] for row in json.loads(data)["files"]]
    assert "<img" not in page
