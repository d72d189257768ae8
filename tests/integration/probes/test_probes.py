"""Probes against real servers, in networks of their own that have nothing but a loopback."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from cntr_slimmer.probes import Outcome, Prober, compare, parse, run_probes
from cntr_slimmer.probes.spec import MISSING

from cntr_core.errors import UsageError
from tests.integration.probes.containers import Process, process, server
from tests.support.cntr import descendants, is_alive, wait_until
from tests.support.terminal import Terminal

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.requires("root")


def probe(running: Process, *specs: str, timeout: float = 30, ports: Sequence[int] = ()) -> list[Outcome]:
    """The outcomes of the probes, as they come back from a file."""
    with Prober([parse(spec) for spec in specs], ports) as prober:
        outcomes = run_probes(running, prober, timeout=timeout, progress=lambda _: None)
    return [Outcome.from_json(json.loads(json.dumps(one.to_json()))) for one in outcomes]


def subjects(outcome: Outcome) -> list[str]:
    return [one.subject for one in outcome.observations]


def fact(outcome: Outcome, name: str, subject: str | None = None) -> object:
    [found] = [one for one in outcome.observations if subject in (None, one.subject)]
    return found.facts.get(name)


@pytest.mark.parametrize(
    ("spec", "ok", "status"),
    [
        ("http:8080/", True, 200),
        ("http:8080/moved", True, 301),
        ("http:8080/missing", False, 404),
        ("http:8080/missing=404", True, 404),
        ("http:8080/error", False, 500),
        ("http:8080/error=500-599", True, 500),
        ("http:8080/=404", False, 200),
        ("http:8080/close", True, 200),
        ("http", True, 200),
    ],
)
def test_the_status_tells_success(spec: str, ok: bool, status: int) -> None:
    with server() as running:
        [outcome] = probe(running, spec)
    assert (outcome.ok, fact(outcome, "status")) == (ok, status), outcome
    assert str(status) in outcome.detail


def test_a_redirect_is_told_and_not_followed() -> None:
    with server() as running:
        [outcome] = probe(running, "http:8080/moved")
        assert b"/target" not in running.log()
    assert fact(outcome, "location") == "/target"


def test_a_request_has_a_method_headers_and_a_body(tmp_path: Path) -> None:
    (tmp_path / "body").write_bytes(b"a\nb")
    with server() as running:
        sent, plain, echo = probe(
            running,
            f"http:8080/x -X PUT -H 'content-type: text/html' -d @{tmp_path}/body",
            "http:8080/y -d 'c d'",
            "http:8080/echo -H 'Host: app.example' -H 'X-A: ä'",
        )
        assert running.log().count(b"PUT /x a\nb") == 1  # what writes is asked once
        assert b"POST /y c d" in running.log()
    assert subjects(sent) == ["PUT http:8080/x"] and sent.observations[0].once
    assert fact(sent, "status") == 201 and '"type": "text/html"' in sent.observations[0].shown["body"]
    assert "x-www-form-urlencoded" in plain.observations[0].shown["body"]
    assert (
        "Host: app.example" in echo.observations[0].shown["body"]
        and "localhost" not in echo.observations[0].shown["body"]
    )
    assert not compare([sent, plain], [sent, plain])


@pytest.mark.parametrize(
    ("option", "text"), [("-u", "me:hunter2\n"), ("-H", "\nAuthorization: Basic bWU6aHVudGVyMg==\n")]
)
def test_credentials_come_from_a_file_and_nobody_sees_them(tmp_path: Path, option: str, text: str) -> None:
    (tmp_path / "account").write_text(text)
    words = f"{option} @{tmp_path}/account"
    with server() as running:
        outcomes = probe(
            running,
            f"http:8080/private {words}",
            f"http:8080/echo {words}",
            f"http:8080/away -X POST -d x {words}",
            f"http:8080/no-http -X POST -d x {words}",
            "http:8080/private=401",
        )
        assert b"/?" not in running.log()  # a redirect leads no credentials to another host
    assert [outcome.ok for outcome in outcomes] == [True, True, True, False, True]
    assert str(fact(outcomes[2], "location")).endswith("***")
    told = json.dumps([outcome.to_json() for outcome in outcomes[:4]])
    assert "hunter2" not in told and "bWU6" not in told


@pytest.mark.parametrize(
    ("option", "text", "message"),
    [
        ("-u", "hunter2", "has not one line NAME:PASSWORD"),
        ("-u", "me:hunter2\nyou:too", "has not one line NAME:PASSWORD"),
        ("-H", "Authorization hunter2", "a line of {} is no header"),
        ("-H", "A: b\nA: hunter2", "the header a is said twice"),
        ("-u", None, "{} cannot be read: No such file or directory"),
    ],
)
def test_a_file_of_credentials_is_checked_before(tmp_path: Path, option: str, text: str | None, message: str) -> None:
    place = tmp_path / "account"
    if text is not None:
        place.write_text(text)
    with pytest.raises(UsageError, match=message.format(place)) as caught:
        Prober([parse(f"http:80/ {option} @{place}")])
    assert "hunter2" not in caught.value.message + caught.value.hint


def test_a_server_that_starts_late_is_waited_for() -> None:
    with server("http 8080 0.7") as running:
        [outcome] = probe(running, "http:8080/")
    assert outcome.ok
    assert outcome.seconds > 0.4


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_server_that_is_not_ready_yet_is_waited_for(status: int) -> None:
    """Itself, or the one behind it."""
    with server() as running:
        warming, never = probe(running, f"http:8080/warming-{status}", "http:8080/unavailable=503")
    assert (warming.ok, fact(warming, "status")) == (True, 200)
    assert never.ok


def test_a_server_that_listens_before_it_knows_its_pages_is_asked_again() -> None:
    with server() as running:
        page, missing = probe(running, "http:8080/warming-404", "http:8080/nothing")
    assert (page.ok, fact(page, "status")) == (True, 200)
    assert (missing.ok, fact(missing, "status")) == (False, 404)


@pytest.mark.parametrize(
    ("status", "ok"), [(400, True), (401, True), (403, True), (404, True), (405, True), (500, False), (501, True)]
)
def test_an_answer_at_a_root_that_nobody_named_is_an_answer(status: int, ok: bool) -> None:
    with server(f"api 8080 {status}") as running:
        ports, crawled, page = probe(running, "ports:8080", "crawl:8080", "http:8080")
    assert (ports.ok, fact(ports, "status", "http:8080/")) == (ok, status), ports
    assert (crawled.ok, page.ok) == (False, False), "who names a page wants it"


def test_nothing_listens_and_the_time_is_up() -> None:
    with process("sleep", "60") as running:
        outcomes = probe(running, "tcp:80", "http:80/", timeout=3)
    assert [one.ok for one in outcomes] == [False, False]
    assert "nobody listens on port 80" in outcomes[0].detail


def test_the_port_that_is_listened_on_instead_is_named() -> None:
    with server() as running:
        [outcome] = probe(running, "tcp:80", timeout=2)
    assert "only on 8080" in outcome.detail


@pytest.mark.parametrize("spec", ["http:8080/", "tcp:8080", "exec:false", "crawl", "ports:8080"])
def test_a_container_that_dies_fails_at_once_with_its_last_words(spec: str) -> None:
    with process("sh", "-c", "sleep 0.2; echo no such table; exit 7") as running:
        start = time.monotonic()
        [outcome] = probe(running, spec, timeout=60)
        assert time.monotonic() - start < 30
    assert not outcome.ok
    assert "ended with code 7" in outcome.detail
    assert "no such table" in outcome.output


@pytest.mark.parametrize("spec", ["http:8080/", "ports:8080", "exec:false"])
@pytest.mark.parametrize(("code", "named", "ok"), [(0, False, True), (0, True, False), (3, False, False)])
def test_a_job_that_ends_is_well_for_probes_that_nobody_named(spec: str, code: int, named: bool, ok: bool) -> None:
    probes = [parse(spec)]
    job = process("sh", "-c", f"sleep 0.2; exit {code}")
    with job as running, Prober(probes, may_end=() if named else probes) as prober:
        [outcome] = run_probes(running, prober, timeout=60, progress=lambda _: None)
    assert outcome.ok is ok and f"ended with code {code}" in outcome.detail, outcome


def test_a_container_that_had_ended_before() -> None:
    with process("true") as running:
        wait_until(lambda: running.ended() is not None, "the end")
        outcomes = probe(running, "http:80/", "exit")
    assert [one.ok for one in outcomes] == [False, True]


def test_a_server_that_a_request_kills() -> None:
    with server() as running:
        [outcome] = probe(running, "http:8080/die")
    assert not outcome.ok
    assert "code 137" in outcome.detail and "last words" in outcome.output


def test_a_server_that_the_second_request_kills() -> None:
    with server() as running:
        [outcome] = probe(running, "http:8080/die-later")
    assert not outcome.ok and "the second time" in outcome.detail and "code 137" in outcome.detail
    assert fact(outcome, "status") == 200, "what was seen before is kept"


def test_one_prober_may_run_twice() -> None:
    with server() as running, Prober([parse("http")]) as prober:
        runs = [run_probes(running, prober, timeout=20, progress=lambda _: None) for _ in range(2)]
    assert [one.ok for run in runs for one in run] == [True, True]
    assert compare(*runs) == []


def test_a_page_that_hangs_uses_up_the_time() -> None:
    with server() as running:
        hanging, after = probe(running, "http:8080/hang", "tcp:8080", timeout=1)
    assert not hanging.ok and "did not answer" in hanging.detail
    assert not after.ok and "time limit of 1 s" in after.detail


def test_a_stream_that_never_ends_is_a_page_without_a_digest() -> None:
    with server() as running:
        [outcome] = probe(running, "http:8080/stream", timeout=2)
    assert outcome.ok
    assert (fact(outcome, "complete"), fact(outcome, "sha256")) == (False, None)


def test_every_request_is_without_cookies_and_calls_the_server_localhost() -> None:
    with server() as running:
        cookie, echo = probe(running, "http:8080/cookie", "http:8080/echo")
    assert not cookie.observations[0].volatile
    assert "Host: localhost:8080" in echo.observations[0].shown["body"]


def test_a_crawl_visits_what_pages_and_style_sheets_link_to() -> None:
    with server() as running:
        [outcome] = probe(running, "crawl:8080")
        log = running.log().decode()
    assert outcome.ok
    below = "/ /style.css /bg.png /about /missing /moved /absolute /small.png /large.png /more.css /font.woff /deep"
    assert subjects(outcome) == [f"http:8080{path}" for path in [*below.split(), "/target"]]
    assert "7 broken" in outcome.detail and "/missing (404)" in outcome.detail
    assert fact(outcome, "status", "http:8080/missing") == 404
    assert "elsewhere" not in log and "/no.png" not in log


def test_a_crawl_s_first_page_must_succeed() -> None:
    with server() as running:
        [outcome] = probe(running, "crawl:8080/missing")
    assert not outcome.ok and "404" in outcome.detail


def test_an_openapi_document_is_called() -> None:
    with server() as running:
        [outcome] = probe(running, "openapi:8080/openapi.json")
        assert b"POST" not in running.log()
    assert outcome.ok
    assert subjects(outcome) == [
        "http:8080/openapi.json",
        "GET http:8080/v1/pets?limit=2",
        "GET http:8080/v1/pets/7",
    ]


def test_writes_are_made_once_and_when_asked_for() -> None:
    with server() as running:
        [outcome] = probe(running, "openapi+write:8080/openapi.json")
        assert running.log().count(b'POST /v1/pets {"name": "Rex"}') == 1
    assert outcome.ok
    assert [one.once for one in outcome.observations] == [False, False, True, False]
    assert all(not one.volatile for one in outcome.observations)


@pytest.mark.parametrize(
    ("path", "detail"),
    [("/broken.json", "GET /error (500)"), ("/swagger.json", "not an OpenAPI 3"), ("/about", "cannot"), ("/no", "404")],
)
def test_an_openapi_document_that_fails(path: str, detail: str) -> None:
    with server() as running:
        [outcome] = probe(running, f"openapi:8080{path}")
    assert not outcome.ok and detail in outcome.detail


def test_ports_are_crawled_where_they_speak_http() -> None:
    with server("http 8080 + greeting 6379 + http 9090 0.3") as running:
        [outcome] = probe(running, "ports:6379,8080,9090,9999")
    assert outcome.ok
    spoken = {one.subject: one.facts["protocol"] for one in outcome.observations if "protocol" in one.facts}
    assert spoken == {"port 6379": "tcp", "port 8080": "http", "port 9090": "http", "port 9999": "none"}
    assert "http:8080/about" in subjects(outcome) and "http:9090/about" in subjects(outcome)
    missing = [one for one in outcome.observations if one.subject == f"http:8080{MISSING}"]
    assert [one.facts["status"] for one in missing] == [404] and "a missing page (404)" in outcome.detail


def test_whatever_a_missing_page_is_answered_is_no_failure() -> None:
    with server("api 8080 200 500") as running:
        [outcome] = probe(running, "ports:8080")
    assert outcome.ok, outcome
    assert [one.facts["status"] for one in outcome.observations if one.subject.endswith(MISSING)] == [500]


def test_a_port_that_says_nothing_takes_connections() -> None:
    with server("silent 5000") as running:
        [outcome] = probe(running, "ports:5000", timeout=3)
    assert outcome.ok and fact(outcome, "protocol") == "tcp"


def test_the_first_port_that_speaks_http_is_taken() -> None:
    with server("greeting 6379 + http 8080") as running:
        [by_itself] = probe(running, "http/about")
        [exposed] = probe(running, "http/about", ports=[6379, 8080])
    assert subjects(by_itself) == subjects(exposed) == ["http:8080/about"]


def test_what_speaks_no_http_is_no_http() -> None:
    with server("greeting 6379") as running:
        [outcome] = probe(running, "http:6379/")
    assert not outcome.ok and "and not HTTP" in outcome.detail, outcome


@pytest.mark.requires("openssl")
def test_https_is_spoken_without_verification(tmp_path: Path) -> None:
    certificate = tmp_path / "both.pem"
    line = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=other.example"]
    subprocess.run([*line, "-keyout", certificate, "-out", tmp_path / "c"], check=True, capture_output=True)
    with certificate.open("ab") as file:
        file.write((tmp_path / "c").read_bytes())
    with server(f"https 8443 {certificate}") as running:
        page, crawled, found, plain = probe(running, "https:8443/about", "crawl", "ports:8443", "http:8443/")
    assert page.ok and subjects(page) == ["https:8443/about"]
    assert crawled.ok and "https:8443/about" in subjects(crawled)
    assert fact(found, "protocol", "port 8443") == "https"
    assert not plain.ok and "speaks HTTPS" in plain.detail


@pytest.mark.parametrize("address", ["::1", "::", "127.0.0.5"])
def test_any_address_that_the_server_listens_on_will_do(address: str) -> None:
    with server(f"http 8080 0 {address}") as running:
        outcomes = probe(running, "http:8080/", "tcp:8080", "crawl:8080")
    assert [one.ok for one in outcomes] == [True, True, True]


def test_commands_run_in_the_container() -> None:
    with server() as running:
        code = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8080/about').status)"
        outcomes = probe(running, f'exec:{sys.executable} -c "{code}"', "exec=3:sh -c 'echo out; echo err >&2; exit 3'")
    assert [one.ok for one in outcomes] == [True, True]
    assert outcomes[0].observations[0].shown == {"stdout": "200\n"}
    assert outcomes[1].observations[0].shown == {"stdout": "out\n", "stderr": "err\n"}


def test_a_command_is_tried_until_it_succeeds(tmp_path: Path) -> None:
    with process("sh", "-c", f"sleep 0.3; touch {tmp_path}/ready; sleep 60") as running:
        [outcome] = probe(running, f"exec:test -e {tmp_path}/ready")
    assert outcome.ok


def test_a_command_that_never_succeeds_shows_what_it_wrote() -> None:
    with process("sleep", "60") as running:
        failing, missing = probe(running, "exec:sh -c 'echo broken; exit 4'", "exec:nothing-like-that", timeout=0.5)
    assert not failing.ok and "code 4" in failing.detail and failing.output == "broken\n"
    assert not missing.ok


def test_a_command_that_does_not_exist_is_not_waited_for() -> None:
    with process("sleep", "60") as running:
        start = time.monotonic()
        [outcome] = probe(running, "exec:nothing-like-that", timeout=60)
        assert time.monotonic() - start < 30
    assert not outcome.ok and "code 127" in outcome.detail


def test_a_volatile_output_is_marked() -> None:
    with process("sleep", "60") as running:
        [outcome] = probe(running, "exec:date +%N")
    assert set(outcome.observations[0].volatile) == {"stdout sha256", "stdout length"}


def script(folder: Path, text: str) -> str:
    file = folder / "smoke.sh"
    file.write_text("#!/bin/sh\n" + text)
    file.chmod(0o755)
    return f"script:{file}"


@pytest.mark.requires("curl")
def test_a_script_of_the_host_is_in_the_container_s_network(tmp_path: Path) -> None:
    text = 'curl --silent --fail "http://$CNTR_HOST:$CNTR_PORTS/about" && echo "$CNTR_PID $CNTR_CONTAINER"'
    with server("http 8080 0.3") as running:
        [outcome] = probe(running, script(tmp_path, text), ports=[8080])
        assert outcome.ok and outcome.output.endswith(f"{running.pid} pid://{running.pid}\n")
    assert "home</a>" in outcome.output


def test_a_script_that_fails_shows_what_it_wrote(tmp_path: Path) -> None:
    with server() as running:
        [outcome] = probe(running, script(tmp_path, "echo one; echo two >&2; exit 3"))
    assert not outcome.ok and "code 3" in outcome.detail
    assert outcome.output == "one\ntwo\n"


@pytest.mark.parametrize(
    "text", ["sleep 60", "sleep 60 & sleep 60", "setsid sleep 60 & exit 0", "trap '' TERM; sleep 60"]
)
def test_nothing_of_a_script_is_left(tmp_path: Path, text: str) -> None:
    before = set(descendants(os.getpid()))
    with server() as running:
        probe(running, script(tmp_path, text), timeout=1)
    assert [pid for pid in descendants(os.getpid()) if pid not in before and is_alive(pid)] == []


def test_a_script_must_be_a_program(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("")
    for path, hint in ((tmp_path / "absent", "name a program"), (tmp_path / "text", "chmod +x")):
        with pytest.raises(UsageError) as caught:
            Prober([parse(f"script:{path}")])
        assert hint in caught.value.hint


def test_waiting_for_the_end_records_the_code() -> None:
    with process("sh", "-c", "sleep 0.2; echo done; exit 3") as running:
        failed, asserted = probe(running, "exit", "exit=3")
    assert (failed.ok, asserted.ok) == (False, True)
    assert fact(asserted, "code") == 3 and asserted.observations[0].shown == {"log": "done"}


def test_waiting_for_an_end_that_does_not_come() -> None:
    with process("sleep", "60") as running:
        [outcome] = probe(running, "exit", timeout=0.3)
    assert not outcome.ok and "did not end" in outcome.detail


def test_quiet_waits_for_the_last_access() -> None:
    busy = (
        "for i in 1 2 3 4 5 6 7 8; do cat /proc/self/stat >/dev/null; read line </etc/passwd; sleep 0.1; done; sleep 60"
    )
    with process("sh", "-c", busy) as running:
        start = time.monotonic()
        [outcome] = probe(running, "quiet:0.4s")
        assert time.monotonic() - start > 1
    assert outcome.ok and fact(outcome, "code") is None


def test_quiet_is_content_with_a_good_end_only() -> None:
    for code, ok in ((0, True), (1, False)):
        with process("sh", "-c", f"sleep 0.1; exit {code}") as running:
            [outcome] = probe(running, "quiet:10s")
        assert (outcome.ok, fact(outcome, "code")) == (ok, code)


def test_a_container_that_is_never_quiet() -> None:
    with process("sh", "-c", "while read line </etc/passwd; do sleep 0.01; done") as running:
        [outcome] = probe(running, "quiet:0.3s", timeout=1)
    assert not outcome.ok and "still accessed" in outcome.detail


def test_the_same_server_is_the_same() -> None:
    specs = ["crawl:8080", "http:8080/count", "openapi+write:8080/openapi.json", "tcp:8080", "exec:date +%N"]
    runs = []
    for _ in range(2):
        with server() as running:
            runs.append(probe(running, *specs))
    assert compare(*runs) == []


def test_another_server_is_another() -> None:
    with server() as running:
        original = probe(running, "http:8080/about", "http:8080/pid")
    with server() as running:
        replay = probe(running, "http:8080/about", "http:8080/pid")
    differences = compare(original, replay)
    assert {(one.subject, one.fact) for one in differences} >= {("http:8080/pid", "sha256")}
    assert all(one.subject == "http:8080/pid" for one in differences)


def test_a_page_that_shows_the_time_is_looked_at_again() -> None:
    probes = [parse("http:8080/clock"), parse("http:8080/about")]
    with server() as running:
        original = run_probes(running, probes, timeout=20, progress=lambda _: None)
    body = dataclasses.replace(original[0].observations[0], facts={**original[0].observations[0].facts, "sha256": "?"})
    stable = dataclasses.replace(
        original[1].observations[0], facts={**original[1].observations[0].facts, "sha256": "?"}
    )
    other = [
        dataclasses.replace(original[0], observations=(body,)),
        dataclasses.replace(original[1], observations=(stable,)),
    ]
    with server() as running:
        replay = run_probes(running, probes, timeout=20, progress=lambda _: None, against=other)
    assert [one.subject for one in compare(other, replay)] == ["http:8080/about"]


def test_a_network_that_is_the_host_s_needs_a_port() -> None:
    with process("sleep", "60", own_network=False) as running:
        for spec in ("http", "crawl", "ports"):
            [outcome] = probe(running, spec, timeout=5)
            assert not outcome.ok and "port must be given" in outcome.detail


def test_without_privilege_the_error_says_so() -> None:
    with server() as running:
        line = f"""
import os
from cntr_slimmer.probes import *
from cntr_core.errors import PermissionMissing
class Running:
    pid = {running.pid}
    def ended(self): return None
os.setresuid(65534, 65534, 65534)
try: run_probes(Running(), [parse("tcp:8080")], timeout=5, progress=print)
except PermissionMissing as error: print(error.message, error.hint)
"""
        result = subprocess.run([sys.executable, "-c", line], capture_output=True, text=True, timeout=60, check=False)
    assert "cannot enter the container's network" in result.stdout and "run as root" in result.stdout, result


DRIVER = """
import sys
from cntr_slimmer.probes import parse, run_probes
from tests.integration.probes.containers import server
with server() as running:
    print(running.pid, flush=True)
    run_probes(running, [parse(sys.argv[1])], timeout=60, progress=lambda text: print(text, flush=True))
"""


_INTERRUPTED = ["http:8080/hang", "script", "tcp:9", "quiet:50s", "exit"]
_SIGNALS = [
    *((spec, number) for spec in _INTERRUPTED for number in (signal.SIGINT, signal.SIGKILL)),
    ("exec:sleep 50", signal.SIGINT),  # after a SIGKILL it ends with the container, which is the runner's matter
]


@pytest.mark.parametrize(("spec", "number"), _SIGNALS)
def test_an_interrupted_run_leaves_nothing(tmp_path: Path, spec: str, number: signal.Signals) -> None:
    spec = script(tmp_path, "sleep 60 & sleep 60") if spec == "script" else spec
    with subprocess.Popen([sys.executable, "-c", DRIVER, spec], stdout=subprocess.PIPE, text=True, cwd=ROOT) as driver:
        assert driver.stdout is not None
        container = int(driver.stdout.readline())
        driver.stdout.readline()
        try:
            time.sleep(0.3)  # into the probe
            ours = [pid for pid in descendants(driver.pid) if pid not in (container, *descendants(container))]
            driver.send_signal(number)
            driver.wait(30)
            wait_until(lambda: not any(map(is_alive, ours)), f"the end of {ours}")
        finally:
            driver.kill()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(container, signal.SIGKILL)


def test_the_process_that_probes_holds_none_of_the_caller_s_descriptors() -> None:
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    with server() as running, Prober([parse("tcp:8080")]) as prober:
        os.close(writer)
        assert run_probes(running, prober, timeout=20, progress=lambda _: None)[0].ok
        assert os.read(reader, 1) == b"", "the end of a pipe is seen while the prober lives"
    os.close(reader)


def test_the_user_ends_a_manual_probe_by_enter() -> None:
    with Terminal() as terminal:
        driver = subprocess.Popen(
            [sys.executable, "-c", DRIVER, "manual"],
            stdin=terminal.slave,
            stdout=terminal.slave,
            stderr=terminal.slave,
            cwd=ROOT,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(terminal.slave, termios.TIOCSCTTY, 0),
        )
        try:
            terminal.expect(b"press Enter")
            terminal.type(b"\n")
            assert driver.wait(30) == 0, bytes(terminal.printed)
        finally:
            driver.kill()
            driver.wait()


def test_a_manual_probe_wants_a_terminal() -> None:
    line = "from cntr_slimmer.probes import Prober, parse; Prober([parse('manual')])"
    result = subprocess.run([sys.executable, "-c", line], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    assert b"needs a terminal" in result.stderr
