"""Which packages documents name: those of the system, and those that pip and npm installed; written as scanners read
them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cntr_slimmer.rules.package import read_packages
from cntr_slimmer.sbom.documents import check_library
from cntr_slimmer.sbom.inventory import Distribution, Part, distribution, parts_of

from cntr_core.errors import UsageError
from tests.support.schemas import check_cyclonedx
from tests.unit.slimmer.rules.directory_view import DirectoryView
from tests.unit.slimmer.rules.trees import plant

if TYPE_CHECKING:
    from cntr_slimmer.sbom.subject import Subject

_SITE = "usr/local/lib/python3.11/site-packages/"
_TREE = {
    "etc/os-release": 'NAME="A system"\nID=debian\nVERSION_ID="12"\n',
    "var/lib/dpkg/status": "Package: six-deb\nStatus: install ok installed\nArchitecture: all\nVersion: 1:1.16\n"
    "Source: six (1.16)\n",
    "var/lib/dpkg/info/six-deb.list": "/usr/lib/six.egg-info\n/usr/lib/six.py\n",
    "usr/lib/six.egg-info": "Name: six\nVersion: 1.16\n",
    "usr/lib/six.py": "",
    _SITE + "Big_App-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: Big_App\nVersion: 1.0\n\nName: of lies\n",
    _SITE + "Big_App-1.0.dist-info/RECORD": 'big/__init__.py,,\n"big/a,b.py",,\nBig_App-1.0.dist-info/METADATA,,\n'
    "../../../bin/big,,\n",
    _SITE + "old-2.egg-info/PKG-INFO": "Name: old\nVersion: 2\n",
    _SITE + "old-2.egg-info/top_level.txt": "old\n",
    _SITE + "old.py": "",
    _SITE + "older.py": "",
    _SITE + "damaged-1.dist-info/METADATA": "\xff\x00",
    "srv/node_modules/@in/one/package.json": '{"name": "@in/one", "version": "3.0.0"}',
    "srv/node_modules/@in/one/index.js": "",
    "srv/node_modules/@in/one/node_modules/two/package.json": '{"name": "two", "version": "1.0.0"}',
    "srv/node_modules/@in/one/node_modules/two/two.js": "",
    "srv/node_modules/two/package.json": '{"name": "two", "version": "1.0.0"}',
    "srv/node_modules/two/two.js": "",
    "srv/node_modules/odd/package.json": '{"name": ["odd"], "version": "1"}',
    "srv/node_modules/bad/package.json": "{",
}


def _parts(place: Path) -> dict[str, Part]:
    plant(place, _TREE)
    view = DirectoryView(place)
    assert distribution(view) == Distribution("debian", "12")
    return {part.name: part for part in parts_of(view, read_packages(view))}


def test_packages_are_found_once_each_with_their_files(tmp_path: Path) -> None:
    parts = _parts(tmp_path)
    assert sorted(parts) == ["@in/one", "big-app", "old", "six-deb", "two"]
    assert parts["six-deb"] == Part(
        "deb", "six-deb", "1:1.16", "all", "six", frozenset({b"/usr/lib/six.egg-info", b"/usr/lib/six.py"})
    )
    site = f"/{_SITE}".encode()
    assert parts["big-app"].files == {site + b"big/__init__.py", site + b"big/a,b.py", b"/usr/local/bin/big"}
    assert parts["old"].files == {site + b"old.py"}
    assert parts["@in/one"].files == {b"/srv/node_modules/@in/one/index.js"}
    assert parts["two"].files == {
        b"/srv/node_modules/@in/one/node_modules/two/two.js",
        b"/srv/node_modules/two/two.js",
    }


def test_package_urls_are_those_that_scanners_match(tmp_path: Path) -> None:
    from cntr_slimmer.sbom.subject import purl

    found = {name: str(purl(part, Distribution("debian", "12"))) for name, part in _parts(tmp_path).items()}
    assert found == {
        "six-deb": "pkg:deb/debian/six-deb@1:1.16?arch=all&distro=debian-12&upstream=six",
        "big-app": "pkg:pypi/big-app@1.0",
        "old": "pkg:pypi/old@2",
        "@in/one": "pkg:npm/%40in/one@3.0.0",
        "two": "pkg:npm/two@1.0.0",
    }
    assert purl(Part("npm", "@in/", "1"), Distribution()) is None


def _subject(parts: tuple[Part, ...]) -> Subject:
    from cntr_slimmer.sbom.subject import Subject

    digest = f"sha256:{'a' * 64}"
    created = "2026-11-24T06:00:00+00:00"
    return Subject("slim", "shop/App:slim", digest, digest, "amd64", created, Distribution("debian", "12"), parts)


def test_documents_are_valid_and_name_the_image_by_its_digest(tmp_path: Path) -> None:
    from cntr_slimmer.sbom.cyclonedx import cyclonedx
    from cntr_slimmer.sbom.spdx import spdx

    parts = (*_parts(tmp_path).values(), Part("npm", "@/", "\x01"))
    subject = _subject(parts)
    content = cyclonedx(subject)
    check_cyclonedx(content.decode())
    document = json.loads(content)
    assert document["metadata"]["component"]["purl"].startswith("pkg:oci/app@sha256:aaaa")
    assert {one["name"] for one in document["components"]} == {*(part.name for part in parts), "debian"}
    document = json.loads(spdx(subject))
    image, *others = document["packages"]
    assert image["checksums"] == [{"algorithm": "SHA256", "checksumValue": "a" * 64}]
    assert [one["name"] for one in others] == [part.name for part in parts]
    assert len({one["SPDXID"] for one in document["packages"]}) == len(parts) + 1
    assert len(document["relationships"]) == len(parts) + 1
    assert document["creationInfo"]["created"] == "2026-11-24T06:00:00Z"


def test_what_is_gone_is_not_present(tmp_path: Path) -> None:
    from cntr_slimmer.sbom.openvex import openvex

    parts = _parts(tmp_path)
    document = json.loads(openvex(_subject(()), tuple(parts.values())))
    (statement,) = document["statements"]
    assert (statement["status"], statement["justification"]) == ("not_affected", "component_not_present")
    (product,) = statement["products"]
    assert len(product["subcomponents"]) == len(parts)


def test_the_same_is_written_twice_alike(tmp_path: Path) -> None:
    from cntr_slimmer.sbom.cyclonedx import cyclonedx
    from cntr_slimmer.sbom.spdx import spdx

    subject = _subject(tuple(_parts(tmp_path).values()))
    for write in (cyclonedx, spdx):
        assert write(subject) == write(subject)


def test_a_missing_library_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "packageurl", None)
    with pytest.raises(UsageError) as caught:
        check_library()
    assert caught.value.hint == "pip install 'cntr-attach[sbom]'"
