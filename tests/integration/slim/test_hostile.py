"""Images that mean harm: refused by layer and member, or run and split without touching anything else."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.integration.slim.conftest import MakeApp, Slim
from tests.unit.images.layouts import Layout, directory, file, hard_link, layout, member, symlink, tar

pytestmark = pytest.mark.requires("root", "fuse", "overlayfs", "runc", "busybox")


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (file("../escape", b"x"), "leads outside"),
        (file("/data/../../escape", b"x"), "leads outside"),
        (hard_link("data/host", "/etc/shadow"), "which is not there"),
        (hard_link("data/dir", "data"), "to the directory"),
        (file(".wh.", b""), "whiteout without a name"),
        (member("data/odd", b"Z"), "unknown type"),
        (file("data/x", b"", uid=2**32), "impossible owner"),
        (file("data/x", b"", pax_headers={"SCHILY.xattr.": "x"}), "extended attribute"),
    ],
)
def test_what_cannot_be_is_refused_by_its_layer_and_name(
    slim: Slim, app: MakeApp, bad: tuple[tarfile.TarInfo, bytes], said: str
) -> None:
    result = slim(app("true", layers=(tar(bad),)))
    assert result.code == 125 and said in result.stderr
    assert "layer 3" in result.stderr and "Traceback" not in result.stderr
    assert not result.archive.exists()


def test_a_damaged_layer_is_named(slim: Slim, tmp_path: Path) -> None:
    made = Layout()
    descriptor = made.image([tar(file("x", b"content" * 1000))])
    (name,) = (n for n, content in made.files.items() if b"contentcontent" in content)
    made.files[name] = made.files[name].replace(b"content", b"CONTENT", 1)
    result = slim(made.top(descriptor).write(str(tmp_path / "damaged")))
    assert result.code == 125 and "layer 1" in result.stderr and "digest" in result.stderr


def test_links_and_names_of_strangers_lead_nowhere(slim: Slim, app: MakeApp, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    image = app(
        "cat /data/out /data/loop; echo harm > /data/out; ls -l /data >/dev/null; true",
        symlink("data/out", str(victim)),
        symlink("data/up", "../../../../../../" + str(victim)),
        symlink("data/loop", "loop"),
        file("data/new\nline\x1b[31m", b"x"),
        file('data/</script><img src=x onerror="1">', b"x"),
        directory("data/.wh..wh.plnk"),
        file("data/twice", b"one"),
        file("data/twice", b"two"),
        member("data/disk", tarfile.BLKTYPE, devmajor=254, devminor=0, mode=0o666),
    )
    result = slim.made(image)
    assert victim.read_text() == "untouched"
    assert "\x1b" not in result.stdout and "<img" not in (slim.place / "report/report.html").read_text()
    assert slim.cntr("verify", "out.tar:app:slim").returncode == 0


def test_a_bomb_is_stopped_before_the_disk_is_full(slim: Slim, tmp_path: Path) -> None:
    plain = tar(file("zeros", bytes(40_000_000)))
    made = Layout()
    descriptor = made.image([plain], compression="gzip")
    small = slim.place / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m", "small", small], check=True)
    try:
        slim.environment["TMPDIR"] = str(small)
        result = slim(made.top(descriptor).write(str(tmp_path / "bomb")))
        assert result.code == 125 and "does not fit into the free space" in result.stderr
        assert os.listdir(small) == []
    finally:
        subprocess.run(["umount", small], check=True)


def test_a_recipe_that_lies_is_noticed(slim: Slim, app: MakeApp, tmp_path: Path) -> None:
    """A fat image whose recipe belongs to other bytes makes no image, whatever it says."""
    slim.made(app("cat /data/x", file("data/x", b"x"), file("data/y", b"y")))
    where = tmp_path / "layout"
    assert slim.cntr("join", "out.tar:app:slim", "-o", str(where)).returncode == 0
    subprocess.run(["tar", "-xf", slim.place / "out.tar", "-C", slim.place], check=True)
    for blob in (slim.place / "blobs/sha256").iterdir():
        content = blob.read_bytes()
        if content[:2] == b"\x1f\x8b" and b".cntr" in gzip.decompress(content)[:1024]:
            blob.write_bytes(gzip.compress(gzip.decompress(content).replace(b"\x28\xb5\x2f\xfd", b"\x28\xb5\x2f\xfc")))
    lied = slim.cntr("verify", f"{slim.place}:app:slim", f"{slim.place}:app:fat")
    assert lied.returncode == 125 and "Traceback" not in lied.stderr


def test_a_layout_whose_index_points_elsewhere(slim: Slim, tmp_path: Path) -> None:
    where = Path(layout(tmp_path / "image", tar(file("x"))))
    index = json.loads((where / "index.json").read_text())
    index["manifests"][0]["digest"] = "sha256:" + hashlib.sha256(b"other").hexdigest()
    (where / "index.json").write_text(json.dumps(index))
    result = slim(str(where))
    assert result.code == 125 and "Traceback" not in result.stderr
