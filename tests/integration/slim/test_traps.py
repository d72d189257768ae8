"""What slimming gets wrong elsewhere, each as an application that would notice."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pytest

from cntr_core.images import open_image
from cntr_core.images.tree.diff import difference
from cntr_core.images.tree.layers import open_layers
from tests.integration.slim.conftest import MakeApp, Slim
from tests.unit.images.layouts import directory, file, hard_link, member, symlink, tar

pytestmark = pytest.mark.requires("root", "fuse", "overlayfs", "runc", "busybox")

CAPABILITY = "\x01\0\0\x02\0\x04" + "\0" * 14  # cap_net_bind_service+ep, version 2


def test_nothing_about_a_kept_file_changes(slim: Slim, app: MakeApp) -> None:
    pax = {"mtime": "1234567890.123456789", "SCHILY.xattr.user.note": "hello"}
    image = app(
        "cd /data; stat d set cap fifo null hole one two; cat d/inside hole > /tmp/out",
        directory("data/d", mode=0o3711, uid=7, gid=8, mtime=99),
        file("data/d/inside", b"x", mode=0o640, uid=1000, gid=1001, pax_headers=pax),
        file("data/set", b"x", mode=0o6755, uid=1000),
        file("data/cap", b"x", mode=0o755, pax_headers={"SCHILY.xattr.security.capability": CAPABILITY}),
        member("data/fifo", tarfile.FIFOTYPE, mode=0o600, mtime=5),
        member("data/null", tarfile.CHRTYPE, devmajor=1, devminor=3, mode=0o666),
        file("data/hole", bytes(50_000)),
        file("data/one", b"linked"),
        hard_link("data/two", "data/one"),
    )
    result = slim.made(image)
    assert {
        f"/data/{name}" for name in ("d/inside", "set", "cap", "fifo", "null", "hole", "one", "two")
    } <= result.paths()
    with open_image(image) as whole, open_layers(whole) as original, result.opened() as layers:
        assert {change.kind for change in difference(original, layers)} == {"removed"}
    assert "/unused" in result.paths("fat") and "/unused" not in result.paths()


@pytest.mark.parametrize(
    ("script", "kept", "gone"),
    [
        ("test -e /data/a", ["a"], ["ab"]),
        ("test -s /data/ab", ["ab"], ["a"]),
        ("cd /data/sub; cat ../a", ["a"], ["ab"]),
        ("cat /data/link/../a", ["a"], ["ab"]),
        ("cat /data/chain", ["chain", "link2", "a"], ["ab"]),
        ("cat /data/absolute", ["absolute", "a"], ["ab"]),
        ("test -e /data/dangling || true; readlink /data/dangling", ["dangling"], ["a"]),
        ("test -e /data/absent || cat /data/ab", ["ab"], ["a"]),
        ("ls /data >/dev/null; ls -l /data/sub", ["sub/plugin"], []),
        ('cat "$(printf "/data/\\377\\n\\"")"', ['\udcff\n"'], ["a"]),
    ],
)
def test_what_is_used_by_whatever_path_is_kept(
    slim: Slim, app: MakeApp, script: str, kept: list[str], gone: list[str]
) -> None:
    image = app(
        script,
        file("data/a", b"a"),
        file("data/ab", b"ab"),
        directory("data/sub"),
        file("data/sub/plugin", b"p"),
        symlink("data/link", "sub"),
        symlink("data/link2", "a"),
        symlink("data/chain", "link2"),
        symlink("data/absolute", "/data/a"),
        symlink("data/dangling", "/data/nowhere"),
        file('data/\udcff\n"', b"odd"),
        *(file(f"data/more{number}", b"m") for number in range(100)),
    )
    paths = slim.made(image).paths()
    assert {f"/data/{name}" for name in kept} <= paths
    assert not {f"/data/{name}" for name in gone} & paths


def test_the_bytes_come_from_the_image_and_not_from_the_run(slim: Slim, app: MakeApp) -> None:
    script = """
        echo more >> /data/appended; : > /data/truncated; mv /data/renamed /data/moved
        cat /data/deleted; rm /data/deleted; echo new > /data/created; ln -s x /data/linked; mkdir /data/made
    """
    names = ("appended", "truncated", "renamed", "deleted")
    result = slim.made(app(script, *(file(f"data/{name}", name.encode()) for name in names)))
    assert {f"/data/{name}" for name in names} <= result.paths()
    assert [result.content(f"/data/{name}") for name in names] == [name.encode() for name in names]
    assert not {path for path in result.paths() if path.endswith(("created", "moved", "linked", "log"))}
    with result.opened() as layers:
        assert b"made" not in layers.tree.resolve(b"/data").file.children  # type: ignore[attr-defined]


def test_an_empty_directory_stays_as_it_is(slim: Slim, app: MakeApp) -> None:
    script = "id -u; touch /var/spool/mine && cat /home/app/notes"
    image = app(
        script,
        directory("var/spool", mode=0o2770, uid=1000, gid=1000),
        directory("home/app", mode=0o700, uid=1000, gid=1000),
        file("home/app/notes", b"n", uid=1000),
        User="app",
    )
    result = slim.made(image, "--probe", "exit=0")
    with result.opened() as layers:
        entry = layers.tree.resolve(b"/var/spool").file.entry
        assert (entry.mode, entry.uid, entry.gid) == (0o2770, 1000, 1000)


def test_links_to_directories_stay(slim: Slim, app: MakeApp) -> None:
    image = app("cat /usr/lib/used", file("usr/lib/used"), symlink("lib", "usr/lib"), symlink("usr/old", "/usr/lib"))
    assert {"/lib", "/usr/old", "/usr/lib/used"} <= slim.made(image).paths()


def test_what_is_used_when_it_is_stopped_is_kept(slim: Slim, app: MakeApp) -> None:
    script = "trap 'cat /data/goodbye; exit 7' USR1; echo up; while :; do sleep 0.05; done"
    result = slim.made(app(script, file("data/goodbye", b"bye"), StopSignal="SIGUSR1"), "--probe", "quiet:0.3s")
    assert "/data/goodbye" in result.paths()
    answer = slim.cntr("why", "report", "/data/goodbye")
    assert answer.returncode == 0 and "when it was stopped" in answer.stdout


def test_a_reload_is_part_of_the_run(slim: Slim, app: MakeApp) -> None:
    script = "trap 'cat /data/reloaded' HUP; cat /data/first; while :; do sleep 0.05; done"
    image = app(script, file("data/first"), file("data/reloaded"), file("data/never"))
    result = slim.made(image, "--probe", "exec:kill -HUP 1", "--until", "quiet:0.3s")
    assert {"/data/first", "/data/reloaded"} <= result.paths() and "/data/never" not in result.paths()


def test_daemons_that_leave_their_parent_count_too(slim: Slim, app: MakeApp) -> None:
    script = "setsid sh -c 'sleep 0.3; cat /data/late' & sleep 30"
    assert (
        "/data/late" in slim.made(app(script, file("data/late")), "--probe", "quiet:1s", "--stop-timeout", "1").paths()
    )


def test_a_health_check_is_the_default_probe_and_stays(slim: Slim, app: MakeApp) -> None:
    image = app(
        "sleep 30",
        file("data/healthy", b"yes"),
        Healthcheck={"Test": ["CMD-SHELL", "cat /data/healthy"]},
    )
    result = slim.made(image, "--stop-timeout", "0.2")
    assert result.stdout.splitlines()[0] == "no --probe given; the default is the image's health check"
    assert "/data/healthy" in result.paths()
    with open_image(f"{result.archive}:app:slim") as half:
        assert b'"CMD-SHELL"' in half.config.raw


def test_what_an_entrypoint_names_in_another_branch_works_in_the_slim_image(slim: Slim, app: MakeApp) -> None:
    script = b"#!/bin/sh\n. /data/lib.sh\ncase $1 in other) greet | sort -r | sed s/b/c/;; esac\n"
    image = app(
        "/data/entry $1",
        *(symlink(f"bin/{applet}", "busybox") for applet in ("sort", "sed", "tee", "vi")),
        file("data/entry", script, mode=0o755),
        file("data/lib.sh", b"greet() {\n  printf 'a\\nb\\n' | tee /tmp/said\n}\n"),
    )
    result = slim.made(image)
    assert {"/bin/sort", "/bin/sed", "/bin/tee"} <= result.paths() and "/bin/vi" not in result.paths()
    assert slim.cntr("run", "--rm", f"{result.archive}:app:slim", "other").stdout == "c\na\n"


def test_a_volume_starts_with_what_the_image_has_there(slim: Slim, app: MakeApp) -> None:
    image = app("cat /data/seed", file("data/seed", b"seed"), Volumes={"/data": {}})
    assert "/data/seed" in slim.made(image).paths()


@pytest.mark.parametrize("probe", ["http:8080/absent=404", "crawl:8080/"])
def test_pages_and_error_pages(slim: Slim, app: MakeApp, probe: str) -> None:
    image = app(
        "httpd -f -p 127.0.0.1:8080 -h /www -c /etc/httpd.conf",
        file("etc/httpd.conf", b"E404:/www/error.html\n"),
        file("www/index.html", b'<a href="/next.html">next</a>'),
        file("www/next.html", b"the next page"),
        file("www/error.html", b"nothing here"),
        file("www/other.html", b"nobody links here"),
        ExposedPorts={"8080/tcp": {}},
    )
    paths = slim.made(image, "--probe", probe, "--stop-timeout", "1").paths()
    assert ("/www/error.html" in paths) == (probe[:4] == "http")
    assert ("/www/next.html" in paths) == (probe[:5] == "crawl")
    assert "/www/other.html" not in paths


def test_a_path_in_several_layers_is_the_topmost_one(slim: Slim, app: MakeApp) -> None:
    image = app(
        "cat /data/x /data/d/new; test ! -e /data/gone",
        file("data/x", b"old"),
        file("data/gone", b"gone"),
        file("data/d/old"),
        layers=(
            tar(file("data/x", b"new"), file("data/.wh.gone"), file("data/d/.wh..wh..opq"), file("data/d/new")),
            tar(file("untouched")),
        ),
    )
    result = slim.made(image)
    assert result.content("/data/x") == b"new"
    assert not {"/data/gone", "/data/d/old", "/untouched"} & result.paths()
    with open_image(f"{result.archive}:app:slim") as half:
        assert len(half.layers) == 4


def test_a_static_program_alone(slim: Slim, busybox_archive: str) -> None:
    result = slim.made(busybox_archive, "--probe", "quiet:0.2s", "--stop-timeout", "0.2")
    assert result.paths() == {"/bin/busybox"}


def test_shared_layers_stay_shared(slim: Slim, app: MakeApp, tmp_path: Path) -> None:
    """The layer below is split alike for two applications that use the same of it."""
    one = slim.made(app("cat /data/one", file("data/one")))
    with open_image(f"{one.archive}:app:slim") as half:
        first = half.layers[0].diff_id
    other = tmp_path / "other"
    other.mkdir()
    os.rename(tmp_path / "image", other / "image")
    two = slim.made(app("cat /data/two", file("data/two")))
    with open_image(f"{two.archive}:app:slim") as half:
        assert half.layers[0].diff_id == first
