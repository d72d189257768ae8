"""The pair: joined, verified, compared, explained, run, and shown whole in the running container."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from cntr_core.images import open_image
from tests.integration.images.conftest import serving
from tests.integration.slim.conftest import MakeApp, Slim
from tests.unit.images.layouts import file, symlink, tar

pytestmark = pytest.mark.requires("root", "fuse", "overlayfs", "runc", "busybox")
SLIM, FAT = "out.tar:app:slim", "out.tar:app:fat"


@pytest.fixture
def pair(slim: Slim, app: MakeApp) -> str:
    """A slimmed application; gives the path of the original. Its `extra` was not used."""
    image = app(
        "cat /data/used; trap 'exit 0' TERM; echo up; while :; do sleep 0.05; done",
        file("data/used", b"used"),
        file("data/extra", b"extra"),
        file("data/looked", b"looked"),
        symlink("data/link", "extra"),
        layers=(tar(file("data/gone"), file("data/later", b"later")), tar(file("data/.wh.gone"))),
        Labels={"mine": "kept"},
        Healthcheck={"Test": ["NONE"]},
    )
    slim.made(image, "--probe", "quiet:0.2s")
    return image


def test_joining_gives_the_original_back(slim: Slim, pair: str) -> None:
    done = slim.cntr("join", SLIM, "-o", "whole.tar", "--name", "app:1")
    assert done.returncode == 0, done.stderr
    with open_image(pair) as original, open_image(f"{slim.place}/whole.tar:app:1") as whole:
        assert whole.config.raw == original.config.raw
        assert [layer.diff_id for layer in whole.layers] == [layer.diff_id for layer in original.layers]
    compared = slim.cntr("diff", pair, "whole.tar")
    assert (compared.returncode, compared.stdout) == (0, "")


def test_a_squashed_half_has_one_layer_and_is_joined_as_ever(slim: Slim, pair: str) -> None:
    result = slim.made(pair, "--probe", "quiet:0.2s", "--squash")
    with open_image(f"{result.archive}:app:slim") as squashed, open_image(f"{result.archive}:app:fat") as fat:
        assert (len(squashed.layers), len(fat.layers)) == (1, 5)
    assert ["slim_compressed" in layer for layer in result.report["layers"]] == [False, False, False, True]
    assert slim.cntr("verify", "out.tar").returncode == 0
    assert slim.cntr("join", "out.tar", "-o", "whole.tar").returncode == 0
    compared = slim.cntr("diff", pair, "whole.tar")
    assert (compared.returncode, compared.stdout) == (0, "")


def test_verifying_needs_no_room_and_notices_strangers(slim: Slim, pair: str, app: MakeApp, tmp_path: Path) -> None:
    assert slim.cntr("verify", SLIM, FAT).returncode == 0
    assert json.loads(slim.cntr("verify", SLIM, "--json").stdout)["ok"] is True
    assert slim.cntr("verify", "out.tar").returncode == 0  # of a pair, the slim half is meant
    wrong = slim.cntr("verify", FAT, SLIM)
    assert wrong.returncode == 125 and "not a slim image" in wrong.stderr
    Path(pair).rename(tmp_path / "first")
    (slim.place / "out.tar").rename(slim.place / "first.tar")
    slim.made(app("cat /data/used", file("data/used")))
    strangers = slim.cntr("verify", SLIM, "first.tar:app:fat")
    assert strangers.returncode == 125 and "different pairs" in strangers.stderr


def test_the_differences_are_told(slim: Slim, pair: str) -> None:
    done = slim.cntr("diff", pair, SLIM)
    assert done.returncode == 1
    assert "D /data/extra" in done.stdout.splitlines() and "/data/used" not in done.stdout
    changes = json.loads(slim.cntr("diff", SLIM, FAT, "--json").stdout)
    kinds = {change["path"]: change["kind"] for change in changes}
    assert kinds["/data/extra"] == "added" and kinds["/data/used"] == "removed"


def test_every_path_has_its_reason(slim: Slim, pair: str) -> None:
    for reference in ("report", "report/report.json", SLIM):
        kept = slim.cntr("why", reference, "/data/used")
        assert kept.returncode == 0 and "read by" in kept.stdout
        gone = slim.cntr("why", reference, "/data/link", "--json")
        assert gone.returncode == 1 and json.loads(gone.stdout)["path"] == "/data/extra"
    assert slim.cntr("why", "report", "/data/absent").returncode == 1
    stranger = slim.cntr("why", pair, "/data/used")
    assert stranger.returncode == 125 and "not a slim image" in stranger.stderr


def test_the_same_trace_gives_the_same_image(slim: Slim, pair: str) -> None:
    digests = set()
    for _ in range(2):
        result = slim.made(pair, "--probe", "quiet:0.2s", "--trace", "report/trace.jsonl.zst")
        with open_image(f"{result.archive}:app:slim") as one, open_image(f"{result.archive}:app:fat") as other:
            digests.add((one.digest, other.digest))
    assert len(digests) == 1


def test_traces_are_files_that_add_up(slim: Slim, app: MakeApp) -> None:
    image = app('cat "/data/$1"', file("data/one", b"1"), file("data/two", b"2"))
    for name in ("one", "two"):
        done = slim.cntr("trace", "run", image, "-o", f"{name}.jsonl", "--probe", "exit", "--", name)
        assert done.returncode == 0, done.stderr
    difference = slim.cntr("trace", "diff", "one.jsonl", "two.jsonl")
    assert difference.returncode == 1
    assert difference.stdout.splitlines() == ["- /data/one", "+ /data/two"]
    assert slim.cntr("trace", "merge", "one.jsonl", "two.jsonl", "-o", "both.jsonl.zst").returncode == 0
    rows = json.loads(slim.cntr("trace", "show", "both.jsonl.zst", "--path", "/data", "--json").stdout)
    assert {(row["path"], row["operation"]) for row in rows} >= {("/data/one", "read"), ("/data/two", "read")}
    everything = json.loads(slim.cntr("trace", "show", "one.jsonl", "--absent", "--json").stdout)
    assert {"/bin/busybox"} < {row["program"] for row in everything}
    assert "/" not in {row["program"] for row in everything}
    result = slim.made(image, "--probe", "exit", "--trace", "two.jsonl", "--", "one")
    assert {"/data/one", "/data/two"} <= result.paths()


def test_what_the_slim_image_needs_and_the_trace_lacked_is_learned(slim: Slim, app: MakeApp) -> None:
    image = app("trap 'exit 0' TERM; while :; do sleep 0.05; done", file("data/lazy", b"lazy"), file("data/never"))
    wishes = ("--probe", "exec:test -s /run", "--verify-probe", "exec:cat /data/lazy")
    result = slim.made(image, *wishes)
    assert "/data/lazy" in result.paths() and "/data/never" not in result.paths()
    assert "/data/lazy" in json.dumps(result.report["probes"])
    hopeless = slim(image, *wishes, "--repairs", "0")
    assert hopeless.code == 125


@pytest.mark.usefixtures("pair")
def test_a_slim_container_runs_and_shows_its_other_half(slim: Slim) -> None:
    assert slim.cntr("run", "--detach", "--name", "web", SLIM).returncode == 0
    try:
        assert slim.cntr("exec", "oci://web", "--", "cat", "/data/extra").returncode != 0
        whole = slim.cntr("attach", "oci://web", "--fat", "--", "cat", "/data/used", "/data/extra", "/data/link")
        assert (whole.returncode, whole.stdout) == (0, "usedextraextra"), whole.stderr
        slim.cntr("attach", "oci://web", "--fat", "--", "sh", "-c", "echo new > /data/new; rm /data/later")
        assert slim.cntr("attach", "oci://web", "--", "cat", "/var/lib/cntr/data/new").stdout == "new\n"
        again = slim.cntr("attach", "oci://web", "--fat", "--fs", "direct", "--", "ls", "/data")
        assert again.stdout.split() == ["extra", "link", "looked", "new", "used"]
        thrown = slim.cntr("attach", "oci://web", "--fat", "--scratch", "--", "sh", "-c", "rm /data/new; ls /data")
        assert thrown.stdout.split() == ["extra", "link", "looked", "used"]
        assert slim.cntr("attach", "oci://web", "--", "cat", "/var/lib/cntr/data/new").stdout == "new\n"
        wrong = slim.cntr("attach", "oci://web", "--fat-image", "nowhere.tar", "--", "true")
        assert wrong.returncode == 125 and "--fat-image" in wrong.stderr
    finally:
        assert slim.cntr("stop", "--timeout", "1", "web").returncode == 0


def test_attaching_with_a_fat_half_wants_a_slim_image(slim: Slim, pair: str) -> None:
    assert slim.cntr("run", "--detach", "--name", "whole", pair).returncode == 0
    try:
        done = slim.cntr("attach", "oci://whole", "--fat", "--", "true")
        assert done.returncode == 125 and "does not come from a slim image" in done.stderr
        clash = slim.cntr("attach", "oci://whole", "--fat", "--rw-tools", "--", "true")
        assert clash.returncode == 125
    finally:
        assert slim.cntr("stop", "--timeout", "1", "whole").returncode == 0


def test_a_container_on_both_halves_notes_what_came_from_the_fat_one(slim: Slim, pair: str) -> None:
    start = ("run", "--detach", "--name", "web", "--fallback", "--misses", "misses", SLIM)
    assert slim.cntr(*start).returncode == 0
    try:
        looked = slim.cntr("attach", "oci://web", "--", "cat", "/var/lib/cntr/data/looked")
        assert (looked.returncode, looked.stdout) == (0, "looked"), looked.stderr
        assert slim.cntr("exec", "oci://web", "--", "cat", "/data/link", "/data/used").stdout == "extraused"
    finally:
        assert slim.cntr("stop", "--timeout", "1", "web").returncode == 0
    misses = (slim.place / "misses").read_text().splitlines()
    assert {"/data/link", "/data/extra"} <= set(misses) and "/data/used" not in misses
    assert "/data/looked" not in misses, "what an engineer looks at is no miss of the container"
    result = slim.made(pair, "--probe", "quiet:0.2s", "--include-from", "misses")
    assert {"/data/link", "/data/extra"} <= result.paths()


@pytest.mark.requires("docker", "docker-cli")
@pytest.mark.requires("docker-registry")
def test_a_registry_has_both_halves_under_one_name(slim: Slim, pair: str, tmp_path: Path) -> None:
    with serving(tmp_path) as registry:
        name = registry.name("shop/app:1")
        done = slim.cntr("slim", pair, "-o", name, "--probe", "quiet:0.2s")
        assert done.returncode == 0, done.stderr
        assert f"{name} " in done.stdout and "shop/app:1-fat" in done.stdout
        assert slim.cntr("verify", name).returncode == 0
        joined = slim.cntr("join", name, "-o", registry.name("shop/app:whole"))
        assert joined.returncode == 0, joined.stderr
        compared = slim.cntr("diff", pair, registry.name("shop/app:whole"))
        assert (compared.returncode, compared.stdout) == (0, ""), compared.stderr


@pytest.mark.requires("docker", "docker-cli")
@pytest.mark.requires("docker-registry")
def test_every_command_takes_an_image_from_a_registry_and_from_an_engine(slim: Slim, pair: str, tmp_path: Path) -> None:
    with serving(tmp_path) as registry:
        name, host = registry.name("shop/app:1"), registry.host
        local = f"{host}/shop/app:1"
        assert slim.cntr("slim", pair, "-o", name, "--probe", "quiet:0.2s").returncode == 0
        subprocess.run(["docker", "pull", "--quiet", local], check=True, capture_output=True, timeout=60)
        try:
            for reference in (name, f"docker://{local}"):
                started = slim.cntr("run", "--detach", "--name", "web", "--fallback", reference)
                assert started.returncode == 0, started.stderr
                try:
                    read = ("sh", "-c", "read -r line </data/used; echo $line")  # there is no cat in it
                    tools = slim.cntr("attach", "web", "--tools", f"image:{reference}", "--", *read)
                    assert (tools.returncode, tools.stdout) == (0, "used\n"), tools.stderr
                    fat = slim.cntr("attach", "web", "--fat", "--", "cat", "/data/used", "/data/extra")
                    assert (fat.returncode, fat.stdout) == (0, "usedextra"), fat.stderr
                finally:
                    assert slim.cntr("stop", "--timeout", "1", "web").returncode == 0
        finally:
            subprocess.run(["docker", "rmi", local], check=False, capture_output=True)


@pytest.mark.requires("docker", "docker-cli")
@pytest.mark.requires("docker-registry")
def test_the_registry_of_a_containers_image_knows_its_fat_half(slim: Slim, pair: str, tmp_path: Path) -> None:
    """The engine holds the slim half alone, whose labels name a tag that is no more: what refers to it is asked."""
    with serving(tmp_path) as registry:
        local = f"{registry.host}/shop/app:slim"
        assert slim.cntr("slim", pair, "-o", f"registry://{local}", "--probe", "quiet:0.2s").returncode == 0
        fat_tag = tmp_path / "files/docker/registry/v2/repositories/shop/app/_manifests/tags/fat"
        shutil.rmtree(fat_tag)
        run = ["docker", "run", "--detach", "--name", "cntr-test-referrer", local]
        try:
            subprocess.run(run, check=True, capture_output=True, timeout=60)
            whole = slim.cntr(
                "attach", "docker://cntr-test-referrer", "--fat", "--", "cat", "/data/used", "/data/extra"
            )
            assert (whole.returncode, whole.stdout) == (0, "usedextra"), whole.stderr
        finally:
            subprocess.run(["docker", "rm", "--force", "cntr-test-referrer"], check=False, capture_output=True)
            subprocess.run(["docker", "rmi", local], check=False, capture_output=True)


def test_docker_runs_the_slim_half_and_cntr_finds_the_other_there(slim: Slim, pair: str) -> None:
    names = ("--slim-name", "cntr-test/pair:slim", "--fat-name", "cntr-test/pair:fat")
    done = slim.cntr("slim", pair, "-o", "docker://cntr-test/pair:slim", "--probe", "quiet:0.2s", *names)
    assert done.returncode == 0, done.stderr
    run = ["docker", "run", "--detach", "--name", "cntr-test-pair", "cntr-test/pair:slim"]
    try:
        subprocess.run(run, check=True, capture_output=True, timeout=60)
        whole = slim.cntr("attach", "docker://cntr-test-pair", "--fat", "--", "cat", "/data/used", "/data/extra")
        assert (whole.returncode, whole.stdout) == (0, "usedextra"), whole.stderr
        inspect = ["docker", "inspect", "--format", "{{.Config.Labels.mine}}", "cntr-test/pair:slim"]
        assert subprocess.run(inspect, capture_output=True, text=True).stdout.strip() == "kept"
    finally:
        subprocess.run(["docker", "rm", "--force", "cntr-test-pair"], check=False, capture_output=True)
        subprocess.run(["docker", "rmi", "cntr-test/pair:slim", "cntr-test/pair:fat"], check=False, capture_output=True)
