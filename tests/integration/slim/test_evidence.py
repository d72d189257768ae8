"""What is said of a slim image, and by what it is known: default probes, pages that vary, jobs."""

from __future__ import annotations

import pytest

from tests.integration.slim.conftest import MakeApp, Result, Slim
from tests.unit.images.layouts import file

pytestmark = pytest.mark.requires("root", "fuse", "overlayfs", "runc", "busybox")

WEB = {"ExposedPorts": {"8080/tcp": {}}, "StopSignal": "SIGKILL"}  # httpd has no handler for another
SERVE = "exec httpd -f -p 8080 -h /data"
RANDOM = "read id < /proc/sys/kernel/random/uuid\n"
"""Another one in each run, and the same within a run."""
SAME = "The slim image does what the original does: "


def template(reads: str) -> str:
    """A page that a program makes of a file, and that is error 500 without that."""
    return f"""#!/bin/sh
if test -r {reads}; then echo "Status: 200 OK"; else echo "Status: 500 Broken"; fi
echo "Content-Type: text/plain"
echo
cat {reads}
"""


def probed(result: Result) -> list[str]:
    return [outcome["spec"] for outcome in result.report["probes"]["slim"]]


def test_until_comes_after_the_default_probes(slim: Slim, app: MakeApp) -> None:
    image = app(SERVE, file("data/index.html", b"hello"), **WEB)
    result = slim.made(image, "--until", "quiet:0.3s")
    assert probed(result) == ["ports:8080", "quiet:0.3s"]
    assert f"{SAME}1 page on port 8080 gave the same answer, a missing page too." in result.stdout
    assert result.report["evidence"] == ["1 page on port 8080 gave the same answer, a missing page too"]
    assert result.report["doubt"] == ""


def test_where_nothing_was_asked_that_is_what_is_said(slim: Slim, app: MakeApp) -> None:
    result = slim.made(app("exec sleep 1000", StopSignal="SIGKILL"), "--until", "quiet:0.3s")
    assert SAME not in result.stdout
    assert "Nothing was asked of the slim image; ask with --probe" in result.stdout
    assert (result.report["ok"], result.report["evidence"]) == (True, [])
    assert "Nothing was asked" in (slim.place / "report/report.html").read_text()


def test_an_answer_at_the_root_of_an_api_is_an_answer(slim: Slim, app: MakeApp) -> None:
    result = slim.made(app(SERVE, **WEB))
    assert f"{SAME}1 page on port 8080 gave the same answer (404), a missing page too." in result.stdout
    assert "ask for others with --probe http:8080/PATH" in result.stdout


def test_another_status_at_the_root_is_a_difference(slim: Slim, app: MakeApp) -> None:
    image = app(SERVE, file("data/index.html", b"hello"), **WEB)
    result = slim(image, "--exclude", "/data/index.html")
    assert result.code == 125
    assert "http:8080/: status was 200, and is 404" in result.stderr


def test_an_api_that_is_broken_fails_with_what_to_write(slim: Slim, app: MakeApp) -> None:
    image = app(SERVE, file("data/cgi-bin/index.cgi", template("/none").encode(), mode=0o755), **WEB)
    result = slim(image, "--probe", "crawl:8080/cgi-bin/index.cgi")
    assert result.code == 125
    assert "--probe http:8080/cgi-bin/index.cgi=500" in result.stderr


def test_what_differs_between_two_runs_of_the_original_is_volatile(slim: Slim, app: MakeApp) -> None:
    """As the start time on a status page, and links whose names are made at the start."""
    script = f'{RANDOM}echo "<a href=page-$id.html>$id</a>" > /data/index.html\n'
    script += f"echo $id > /data/page-$id.html\necho started $id\n{SERVE}"
    image = app(script, **WEB, Healthcheck={"Test": ["CMD", "cat", "/data/index.html"]})
    result = slim.made(image)
    pages = "2 pages on port 8080 gave the same answers (1 with a body that varies), a missing page too"
    assert f"{SAME}{pages}, 1 command gave the same answer." in result.stdout


def test_a_fault_is_a_fault_where_other_facts_vary(slim: Slim, app: MakeApp) -> None:
    cgi = file("data/cgi-bin/index.cgi", template("/data/template").encode(), mode=0o755)
    link = '<a href="/cgi-bin/index.cgi">page</a>'
    script = f"{RANDOM}echo '{link}' $id > /data/index.html\n{SERVE}"
    image = app(script, cgi, file("data/template", b"text"), **WEB)
    assert slim.made(image).report["ok"]
    result = slim(image, "--exclude", "/data/template")
    assert result.code == 125
    assert "http:8080/cgi-bin/index.cgi: status was 200, and is 500" in result.stderr


def test_a_job_with_a_health_check_and_a_port_that_its_base_exposes(slim: Slim, app: MakeApp) -> None:
    image = app("cat /data/input", file("data/input", b"done\n"), **WEB, Healthcheck={"Test": ["CMD", "false"]})
    result = slim.made(image)
    assert f"{SAME}it ended with code 0." in result.stdout
    assert "/data/input" in result.paths()


def test_a_job_that_fails_is_no_original(slim: Slim, app: MakeApp) -> None:
    result = slim(app("exit 3", Healthcheck={"Test": ["CMD", "false"]}))
    assert result.code == 125 and "ended with code 3" in result.stderr


def test_a_command_that_is_mounted_where_the_image_runs(slim: Slim, app: MakeApp) -> None:
    result = slim(app("true", Entrypoint=["/mounted.sh"]))
    assert result.code == 127
    assert "hint: if it is mounted where the image runs, mount it here, too: -v FILE:PATH" in result.stderr
    result = slim(app("exec /mounted.sh"))
    assert result.code == 125 and "-v FILE:PATH" in result.stderr
    script = slim.place / "mounted.sh"
    script.write_text("#!/bin/sh\necho mounted\n")
    script.chmod(0o755)
    result = slim.made(app("exec /mounted.sh"), "-v", f"{script}:/mounted.sh:ro", "--probe", "exit")
