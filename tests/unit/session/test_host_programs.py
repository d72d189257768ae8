"""What of the host's tree is shown for the caller's sake, on real directories."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from cntr_core.filesystem import Part
from cntr_core.session.host_programs import shown_of_host


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home directory below /tmp, of which nothing is in the list of every machine; as /srv would be."""
    home = tmp_path / "ann"
    for name in ("bin", ".local/bin", "venv/bin", "project/bin", ".ssh"):
        (home / name).mkdir(parents=True)
    return home


def _shows(part: Part, path: Path | str) -> bool:
    return part.shows(str(path))


def _shown(monkeypatch: pytest.MonkeyPatch, *named: str, path: str = "", home: Path | str = "") -> Part:
    monkeypatch.setattr("cntr_core.session.host_programs._NEVER", ())  # pytest's directories are below /tmp
    variables = {b"PATH": os.fsencode(path), b"HOME": os.fsencode(home)}
    return shown_of_host(variables, map(os.fsencode, named))


def _program(path: Path) -> Path:
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_of_a_home_its_programs_and_no_keys(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    part = _shown(monkeypatch, home=home)
    assert _shows(part, home / "bin/x")
    assert _shows(part, home / ".local/bin/x")
    assert not any(_shows(part, home / name) for name in (".ssh", "venv", ".local/share/keyrings", "x", "bin/.env"))
    assert not _shows(part, home.parent / "bob")


def test_a_directory_of_path_brings_its_libraries(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    part = _shown(monkeypatch, path=f"relative::{home}/venv/bin:/nonexistent", home=home)
    assert all(_shows(part, home / "venv" / name) for name in ("bin/x", "lib/python3", "lib64", "pyvenv.cfg"))
    assert not any(_shows(part, home / "venv" / name) for name in (".env", "share", "etc", "bin/.env"))


def test_what_links_lead_to_is_shown_with_the_links(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    _program(home / "project/bin/tool")
    _program(home / "project/alone")
    (home / ".local/bin/tool").symlink_to("../../project/bin/tool")
    (home / ".local/bin/alone").symlink_to(home / "project/alone")
    (home.parent / "link").symlink_to("ann")
    part = _shown(monkeypatch, path=f"{home.parent}/link/.local/bin", home=f"{home.parent}/link")
    assert _shows(part, home.parent / "link")
    assert all(_shows(part, home / name) for name in (".local/bin/tool", "project/bin/tool", "project/lib", "bin/x"))
    assert _shows(part, home / "project/alone")
    assert not _shows(part, home / "project/other")


def test_a_link_to_what_is_no_program_or_anothers_shows_nothing(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    (home / ".ssh/id").write_text("key")
    (home / "bin/key").symlink_to("../.ssh/id")
    (home / "bin/keys").symlink_to("../.ssh")
    (home / "bin/loop").symlink_to("loop")
    own = _program(home / "project/bin/tool")
    (home / "bin/tool").symlink_to(own)
    real = os.lstat

    def another(path: str) -> os.stat_result:
        status = real(path)
        return os.stat_result((*status[:4], 4321, *status[5:])) if stat.S_ISLNK(status.st_mode) else status

    monkeypatch.setattr("os.lstat", another)
    part = _shown(monkeypatch, path=f"{home}/bin", home=home)
    assert not any(_shows(part, home / name) for name in (".ssh", "project"))


@pytest.mark.parametrize("directory", ["", ".", "..", ".ssh/.."])
def test_a_home_or_what_holds_it_is_never_shown_for_being_in_path(
    monkeypatch: pytest.MonkeyPatch, home: Path, directory: str
) -> None:
    part = _shown(monkeypatch, path=f"{home}/{directory}:/:/opt:/srv/", home=home)
    assert not _shows(part, home / "notes")
    assert not _shows(part, "/srv/app")


def test_directories_of_path_below_etc_and_var_show_nothing_more() -> None:
    part = shown_of_host({b"PATH": b"/etc/ssl:/var/lib:/var/log:/etc"}, [b"/etc/fstab", b"relative"])
    assert not any(part.shows(path) for path in ("etc/ssl/private", "var/lib/docker", "var/log/x", "etc/fstab"))


def test_a_command_by_its_path_is_shown_and_nothing_beside_it(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    part = _shown(monkeypatch, str(_program(home / "project/check[1].sh")), str(home / ".ssh"))
    assert _shows(part, home / "project/check[1].sh")
    assert not any(_shows(part, home / name) for name in ("project/check1.sh", "project/x", ".ssh/id"))


def test_what_is_public_needs_to_be_readable_by_all_and_no_key() -> None:
    part = Part()
    part.add("etc/ssl/certs", public=True)
    certs = part.child(b"etc")
    for name in (b"ssl", b"certs"):
        assert certs is not None
        certs = certs.child(name)
    assert certs is not None
    for name, mode, shown in (
        (b"ca.pem", stat.S_IFREG | 0o644, True), (b"ca.pem", stat.S_IFREG | 0o640, False),
        (b"ca.0", stat.S_IFLNK | 0o777, True), (b"java", stat.S_IFDIR | 0o755, True),
        (b"java", stat.S_IFDIR | 0o710, False), (b"pipe", stat.S_IFIFO | 0o666, False),
        (b"web.key", stat.S_IFREG | 0o644, False), (b"private", stat.S_IFDIR | 0o755, False),
    ):  # fmt: skip
        child = certs.child(name)
        assert (child is not None and child.admits(mode)) is shown, name
    etc = part.child(b"etc")
    assert etc is not None
    assert not etc.admits(stat.S_IFREG | 0o644), "a file in place of a directory on the way"
