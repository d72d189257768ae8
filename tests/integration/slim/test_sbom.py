"""What scanners are told of a pair: documents with the digests of both images, and the lists of dpkg."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.integration.slim.conftest import MakeApp, Slim
from tests.support.schemas import check_cyclonedx
from tests.unit.images.layouts import file

pytestmark = pytest.mark.requires("root", "fuse", "overlayfs", "runc", "busybox")

_STATUS = b"".join(
    b"Package: %s\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1.0-1\n\n" % name
    for name in (b"used", b"gone", b"both", b"empty")
)
_DPKG = (
    file("etc/os-release", b"ID=debian\nVERSION_ID=12\n"),
    file("var/lib/dpkg/status", _STATUS),
    file("var/lib/dpkg/info/used.list", b"/data/used\n"),
    file("var/lib/dpkg/info/gone.list", b"/data/gone\n"),
    file("var/lib/dpkg/info/both.list", b"/data/kept\n/data/moved\n"),
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
        f"pkg:deb/debian/{name}@1.0-1?arch=amd64&distro=debian-12" for name in ("empty", "gone")
    ]


def test_dpkgs_lists_are_kept_of_packages_that_keep_a_file(slim: Slim, app: MakeApp) -> None:
    result = slim.made(app("cat /data/used /data/kept", *_DPKG), "--probe", "exit")
    lists = {path for path in result.paths() if path.endswith(".list")}
    assert lists == {"/var/lib/dpkg/info/used.list", "/var/lib/dpkg/info/both.list"}


def test_without_the_option_there_are_no_documents(slim: Slim, app: MakeApp) -> None:
    slim.made(app("cat /data/used", *_DPKG), "--probe", "exit")
    assert sorted(path.name for path in (slim.place / "report").iterdir()) == [
        "report.html",
        "report.json",
        "trace.jsonl.zst",
    ]
