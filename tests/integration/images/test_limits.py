"""Large images in little memory; a full disk, and an end in mid-write, leave nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cntr_core.errors import ImageError
from cntr_core.images import remove_tree
from cntr_core.images.write.archive import write_archive
from cntr_core.images.write.compress import Compression
from cntr_core.images.write.layout import write_layout
from cntr_core.images.write.new_image import NewImage, PlainLayer
from cntr_core.images.write.pack import pack
from tests.integration.images.conftest import HANG
from tests.unit.images.layouts import ARCHITECTURE, file, tar
from tests.unit.images.write.making import names, new_image, packed, which

_MOST_MEMORY = 300 << 20

# Reads an image of one large layer, packs what it read, writes it, and reads that: all that a run of cntr does.
_THROUGH = """
import json, os, re, sys, tarfile
from cntr_core.images import Budget, open_image
from cntr_core.images.write.compress import Compression
from cntr_core.images.write.destination import parse_destination
from cntr_core.images.write.new_image import NewImage, PlainLayer
from cntr_core.images.write.pack import pack

def read(reference, target):
    with open_image(reference) as image, open(target, "wb") as out:
        opened = image.open_layer(image.layers[0], Budget(1 << 40, 1 << 40))
        while data := opened.read(1 << 18):
            out.write(data)
        opened.finish()
        return image.config.raw

work, source, kind, target = sys.argv[1:]
config = read(source, work + "/layer")
layer = PlainLayer.of_file(work + "/layer")
image = pack(NewImage(config, (layer,)), work, Compression(kind))
parse_destination(target).save([("large:1", image)])
again = os.open("/dev/null", os.O_WRONLY)
read(target, "/dev/null")
with open("/proc/self/status") as status:  # ru_maxrss would count what our parent had
    most = int(re.search("VmHWM:\\s+(\\d+) kB", status.read())[1])
print(json.dumps([layer.size, most << 10]))
"""


@pytest.fixture(scope="module")
def large_archive(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An image whose one layer has a file of 2 GB, of which most is a hole on this disk."""
    work = tmp_path_factory.mktemp("large")
    member = tarfile.TarInfo("noise")
    member.size = 2 << 30
    with open(work / "layer", "wb") as layer:
        layer.write(member.tobuf())
        layer.write(os.urandom(64 << 20))
        layer.truncate(layer.tell() - (64 << 20) + member.size + 1024)
    plain = PlainLayer.of_file(str(work / "layer"))
    config = json.dumps({"os": "linux", "architecture": ARCHITECTURE, "rootfs": {"diff_ids": [plain.diff_id]}})
    image = pack(NewImage(config.encode(), (plain,)), str(work))
    write_archive(str(work / "large.tar"), [("large:0", image)])
    os.unlink(work / "layer")
    return str(work / "large.tar")


@pytest.mark.parametrize(("kind", "target"), [("gzip", "out.tar"), ("zstd", "out")])
def test_a_large_image_passes_in_little_memory(tmp_path: Path, large_archive: str, kind: str, target: str) -> None:
    line = [sys.executable, "-c", _THROUGH, str(tmp_path), large_archive, kind, str(tmp_path / target)]
    done = subprocess.run(line, capture_output=True, timeout=110, check=False)
    assert done.returncode == 0, done.stderr.decode()
    size, memory = json.loads(done.stdout)
    assert size > 2 << 30
    assert memory < _MOST_MEMORY


# -- a full disk -----------------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A filesystem of 2 MiB."""
    path = tmp_path / "small"
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "small", str(path)], check=True, timeout=HANG)
    try:
        yield path
    finally:
        subprocess.run(["umount", str(path)], check=True, timeout=HANG)


@pytest.mark.requires("root")
@pytest.mark.parametrize("kind", ["archive", "new layout", "layout", "pack"])
def test_a_full_disk_leaves_what_was_there(tmp_path: Path, small_disk: Path, kind: str) -> None:
    old = packed(tmp_path / "work", "old")
    large = new_image(tmp_path / "work", tar(file("which", b"large"), file("noise", os.urandom(4 << 20))))
    image = pack(large, str(tmp_path / "work"))
    write_archive(str(small_disk / "app.tar"), [("app", old)])
    write_layout(str(small_disk / "app"), [("app", old)])
    before = names(small_disk)
    with pytest.raises(ImageError, match="cannot be written: No space left on device") as caught:
        if kind == "archive":
            write_archive(str(small_disk / "app.tar"), [("app", image)])
        elif kind == "pack":
            pack(large, str(small_disk), Compression.GZIP)
        else:
            write_layout(str(small_disk / ("new" if kind == "new layout" else "app")), [("app", old), ("large", image)])
    assert "free some space" in caught.value.hint
    assert names(small_disk) == before
    assert not (small_disk / "new").exists()
    assert which(small_disk / "app.tar") == which(small_disk / "app") == "old"


# -- an end in mid-write ---------------------------------------------------------------------------------------------

# Stops for good behind the first bytes.
_SLOWLY = """
import sys, time
from cntr_core.images.write.new_image import Blob
from tests.unit.images.write.making import packed
from pathlib import Path
from cntr_core.images.write.destination import parse_destination
image = packed(Path(sys.argv[1]), "new")
def pause(what, size):
    print(what, flush=True)
    time.sleep(1000)
parse_destination(sys.argv[2]).save([("app", image)], pause)
"""


@pytest.mark.parametrize("there", [True, False], ids=["over an old one", "new"])
@pytest.mark.parametrize("name", ["app.tar", "app"])
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_an_end_in_mid_write_leaves_what_was_there(tmp_path: Path, name: str, there: bool, end: signal.Signals) -> None:
    out = tmp_path / "out"
    out.mkdir()
    write = write_archive if name.endswith(".tar") else write_layout
    if there:
        write(str(out / name), [("app", packed(tmp_path / "old", "old"))])
    before = {file: (out / file).read_bytes() for file in names(out)}
    line = [sys.executable, "-c", _SLOWLY, str(tmp_path / "work"), str(out / name)]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"writing\n"
            assert names(out) - set(before)
            write(str(out / "other.tar"), [("app", packed(tmp_path / "old", "old"))])  # disturbs nobody
            os.unlink(out / "other.tar") if write is write_archive else remove_tree(str(out / "other.tar"))
            assert names(out) - set(before)
        finally:
            process.send_signal(end)
            process.communicate(timeout=HANG)
    assert {file: (out / file).read_bytes() for file in names(out) if file in before} == before
    if end == signal.SIGKILL:  # which leaves no time to clean up: the next run does it
        write(str(out / name), [("app", packed(tmp_path / "work", "next"))])
        assert which(out / name) == "next"
        assert not [file for file in names(out) if ".partial-" in file]
    else:
        assert names(out) == set(before)
    assert os.listdir(out) == ([name] if there or end == signal.SIGKILL else [])
