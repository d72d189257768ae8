"""A profile of AppArmor says what it means to AppArmor's own parser, whatever files are called."""

from __future__ import annotations

import subprocess

import pytest
from cntr_slimmer.profiles import apparmor_files
from cntr_slimmer.profiles.apparmor import Written, apparmor_profile, quoted

from cntr_core.images import open_image
from cntr_core.images.tree.contents import ReadContents
from cntr_core.images.tree.layers import open_layers
from cntr_core.images.tree.merge import merge
from cntr_core.images.tree.view import TreeView
from tests.unit.images.layouts import directory, file, layout, tar

ODD = (
    b"/a b",
    b'/quo"te',
    b"/new\nline",
    b"/tab\t",
    b"/gl*ob?[x]{a,b}^",
    b"/back\\slash",
    b"/@{HOME}",
    b"/#include <x>",
    b"/\xff\xc3\xbc",
    b"/a,b",
    b"/$x",
    b'/end" r, /etc/shadow rw, "',
    b"/\x012",
    b"/ (r)",
)


def _parsed(text: str) -> list[bytes]:
    """The paths of the rules of a profile, as the parser has them: with a backslash before what would be a glob."""
    line = ["apparmor_parser", "--skip-kernel-load", "--skip-cache", "--debug"]
    done = subprocess.run(line, input=text.encode(), capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return [found.rpartition(b")")[0] for found in done.stdout.split(b"Name:\t(")[1:]]


@pytest.mark.requires("apparmor_parser")
@pytest.mark.parametrize("path", ODD)
def test_a_rule_is_about_one_path(path: bytes) -> None:
    (found,) = _parsed(f"profile x {{\n  {quoted(path)} r,\n}}\n")
    plain = bytes(byte for at, byte in enumerate(found) if byte != 0x5C or found[:at].endswith(b"\\"))
    assert plain == path
    assert not any(byte in b"*?[{" and not found[:at].endswith(b"\\") for at, byte in enumerate(found))


@pytest.mark.requires("apparmor_parser")
def test_the_profile_of_an_image(tmp_path: object) -> None:
    made = layout(
        tmp_path / "image",  # type: ignore[operator]
        tar(
            directory("bin"),
            file("bin/app", b"\x7fELF", mode=0o755),
            file("bin/script", b"#!/bin/app", mode=0o755),
            file("lib.so", b"\x7fELF"),
            file("data", b"d"),
            file('o"dd*', b"d"),
        ),
    )
    places = Written(frozenset({b"/data"}), frozenset({b"/bin", b"/"}), frozenset({b"/vo*l"}))
    with open_image(made) as image, open_layers(image) as layers:
        files = [name.file for name in layers.tree.walk()]
        text = apparmor_profile("cntr-x", files, layers.view, {b"/data": {"read"}}, places, ["on a probe"])
    assert text.startswith("# on a probe\n")
    rules = text.splitlines()
    for rule in (
        "  /bin/app mrix,",
        "  /bin/script rix,",
        "  /lib.so mr,",
        "  /data r,",
        '  "/o\\"dd\\*" r,',
        "  /bin/ r,",
        "  /data rwkl,",
        "  /bin/* rwkl,",
        "  /* rwkl,",
        '  "/vo\\*l/{,**}" rwkl,',
    ):
        assert rule in rules
    assert (
        rules.index("  /data r,") < rules.index("  # files that rules keep in the slim image") < rules.index(rules[-2])
    )
    assert b"/bin/app" in _parsed(text)


@pytest.mark.requires("apparmor_parser")
def test_a_parser_that_takes_too_long_spoils_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked at the end of all runs, and 100,000 files take it minutes."""
    monkeypatch.setattr(apparmor_files, "_PATIENCE", 0.0001)
    found = apparmor_files.made("sha256:" + "0" * 64, (), TreeView(merge([]), ReadContents([])), {}, Written(), ["x"])
    assert found.trouble == "" and any("did not say so within 0.0001 s" in line for line in found.missed)
    assert b"did not say so" in found.text
