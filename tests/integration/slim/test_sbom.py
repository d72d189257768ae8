"""What scanners are told of a pair: documents with the digests of both images, and the lists of dpkg."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.integration.images.conftest import serving
from tests.integration.slim.conftest import MakeApp, Slim
from tests.support.schemas import check_cyclonedx
from tests.unit.images.layouts import file

pytestmark = pytest.mark.requires("root", "fuse", "overlayfs", "runc", "busybox")


def _paragraph(name: bytes) -> bytes:
    return b"Package: %s\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1.0-1\n\n" % name


_STATUS = b"".join(map(_paragraph, (b"used", b"gone", b"both", b"empty")))
_DPKG = (
    file("etc/os-release", b"ID=debian\nVERSION_ID=12\n"),
    file("var/lib/dpkg/status", _STATUS),
    file("var/lib/dpkg/info/used.list", b"/data/used\n"),
    file("var/lib/dpkg/info/gone.list", b"/data/gone\n"),
    file("var/lib/dpkg/info/both.list", b"/data/kept\n/data/moved\n"),
    file("var/lib/dpkg/info/empty.list", b"/.\n"),
    *(file(f"data/{name}", name.encode()) for name in ("used", "gone", "kept", "moved")),
)


def _names(document: Any) -> set[str]:
    return {one["name"] for one in document["components"]} - {"debian"}


def test_each_image_has_documents_with_its_packages_and_its_digest(slim: Slim, app: MakeApp) -> None:
    result = slim.made(app("cat /data/used /data/kept", *_DPKG), "--probe", "exit", "--sbom")
    directory = slim.place / "report"
    wanted = {"slim": {"used", "both"}, "fat": {"gone", "both", "empty"}}
    for half in result.report["halves"]:
        text = (directory / f"{half['role']}.cdx.json").read_text()
        check_cyclonedx(text)
        document = json.loads(text)
        assert document["metadata"]["component"]["version"] == half["digest"]
        assert _names(document) == wanted[half["role"]]
        image, *packages = json.loads((directory / f"{half['role']}.spdx.json").read_text())["packages"]
        assert image["versionInfo"] == half["digest"]
        assert {one["name"] for one in packages} == wanted[half["role"]]
    (statement,) = json.loads((directory / "slim.openvex.json").read_text())["statements"]
    (product,) = statement["products"]
    assert half["digest"] not in product["@id"]
    assert [one["@id"] for one in product["subcomponents"]] == [
        f"pkg:deb/debian/{name}@1.0-1?arch=amd64" for name in ("empty", "gone")
    ]


@pytest.mark.requires("docker-registry")
def test_a_registry_has_the_documents_of_its_images(slim: Slim, app: MakeApp, tmp_path: Path) -> None:
    with serving(tmp_path) as registry:
        words = ("--probe", "exit", "--sbom", "--report", "report")
        for _ in range(2):
            place = registry.name("shop/app:slim")
            done = slim.cntr("slim", app("cat /data/used /data/kept", *_DPKG), "-o", place, *words)
            assert done.returncode == 0, done.stderr
        files = [str(slim.place / "report" / name) for name in ("slim.cdx.json", "fat.spdx.json", "slim.openvex.json")]
        fat = registry.name("shop/app:fat")
        done = slim.cntr("verify", place, fat, "--json", *(f"--sbom={file}" for file in files))
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)["documents"]
        assert found[:3] == files
        names = {"slim.cdx.json", "slim.spdx.json", "slim.openvex.json", "fat.cdx.json", "fat.spdx.json"}
        assert set(found[3:]) == names
        other = slim.cntr("verify", place, fat, "--sbom", _about_another(Path(files[0])))
        assert other.returncode == 125
        assert "is about another image, sha256:0000" in other.stderr


@pytest.mark.requires("docker")
def test_an_engine_keeps_the_digest_of_the_configuration_alone(slim: Slim, app: MakeApp) -> None:
    pair = ("docker://cntr-test/sbom:slim", "docker://cntr-test/sbom:fat")
    names = [f"--{role}-name=cntr-test/sbom:{role}" for role in ("slim", "fat")]
    words = ("-o", pair[0], *names, "--probe", "exit", "--sbom", "--report", "report")
    try:
        assert slim.cntr("slim", app("cat /data/used /data/kept", *_DPKG), *words).returncode == 0
        files = [f"--sbom={path}" for path in sorted(slim.place.glob("report/*.json")) if path.name != "report.json"]
        done = slim.cntr("verify", *pair, *files)
        assert (done.returncode, len(files)) == (0, 5), done.stderr
    finally:
        subprocess.run(["docker", "rmi", *(name.removeprefix("docker://") for name in pair)], capture_output=True)


def _about_another(document: Path) -> str:
    changed = json.loads(document.read_text())
    changed["metadata"]["component"]["version"] = f"sha256:{'0' * 64}"
    changed["metadata"]["component"]["properties"] = []
    document.write_text(json.dumps(changed))
    return str(document)


def test_dpkgs_lists_are_kept_of_packages_that_keep_a_file(slim: Slim, app: MakeApp) -> None:
    result = slim.made(app("cat /data/used /data/kept", *_DPKG), "--probe", "exit")
    lists = {path for path in result.paths() if path.endswith(".list")}
    assert lists == {"/var/lib/dpkg/info/used.list", "/var/lib/dpkg/info/both.list"}


def test_without_the_option_there_are_no_documents(slim: Slim, app: MakeApp) -> None:
    image = app("cat /data/used", *_DPKG)
    slim.made(image, "--probe", "exit", "--sbom")
    slim.made(image, "--probe", "exit")
    assert sorted(path.name for path in (slim.place / "report").iterdir()) == [
        "report.html",
        "report.json",
        "trace.jsonl.zst",
    ]


@pytest.mark.parametrize("squash", [False, True])
def test_a_scanner_is_told_of_the_packages_that_keep_a_file(slim: Slim, app: MakeApp, squash: bool) -> None:
    image = app("cat /data/used /data/kept", *_DPKG)
    result = slim.made(image, "--probe", "exit", *["--squash"] * squash)
    assert result.content("/var/lib/dpkg/status") == _paragraph(b"used") + _paragraph(b"both")
    with result.opened("fat") as fat:
        assert fat.view.read(b"/var/lib/dpkg/status") == _STATUS
    assert slim.cntr("verify", "out.tar:app:slim").returncode == 0
    assert slim.cntr("join", "out.tar:app:slim", "-o", "joined.tar").returncode == 0
    assert slim.cntr("diff", image, "joined.tar").stdout == ""
    told = slim.cntr("diff", image, "out.tar:app:slim").stdout.splitlines()
    assert [line for line in told if "dpkg/status" in line] == ["C /var/lib/dpkg/status (content)"]
    said = slim.cntr("why", "report", "/var/lib/dpkg/status").stdout
    assert "kept" in said and "packages without a file left are not in it" in said


@pytest.mark.parametrize(
    ("script", "words"),
    [("cat /data/used /data/kept /var/lib/dpkg/status", ()), ("cat /data/used", ("--package-lists", "all"))],
    ids=["read by the application", "all are wanted"],
)
def test_a_list_that_is_wanted_is_the_original(slim: Slim, app: MakeApp, script: str, words: tuple[str, ...]) -> None:
    result = slim.made(app(script, *_DPKG), "--probe", "exit", *words)
    assert result.content("/var/lib/dpkg/status") == _STATUS


def test_another_word_is_refused(slim: Slim, app: MakeApp) -> None:
    result = slim(app("true"), "--package-lists", "some")
    assert result.code == 125
    assert "--package-lists: unknown 'some'" in result.stderr and "choose from kept, all" in result.stderr
