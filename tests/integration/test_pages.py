"""The bound by pages counts what a program touches, by read(2) and by page faults, and nothing that the kernel adds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.images.layouts import directory, file, layout, tar

pytestmark = pytest.mark.requires("root", "fuse", "overlayfs", "runc", "gcc")

PAGE = 4096
PROGRAM = r"""
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>
static char buffer[3 * 4096];
int main(void) {
    int fd = open("/read", O_RDONLY);
    if (pread(fd, buffer, 4096, 7 * 4096) != 4096) return 1;          /* page 7 */
    if (pread(fd, buffer, 2, 21 * 4096 - 1) != 2) return 1;           /* 20 and 21: one byte of each */
    if (pread(fd, buffer, sizeof buffer, 40 * 4096) != sizeof buffer) return 1;  /* 40, 41, 42 */
    fd = open("/mapped", O_RDONLY);
    volatile char *map = mmap(0, 64 * 4096, PROT_READ, MAP_PRIVATE, fd, 0);
    if (map == MAP_FAILED) return 2;
    return map[3 * 4096] + map[50 * 4096 + 9] + map[63 * 4096 + 5];   /* 3, 50, and 63, which is the last */
}
"""
MEASURE = """
import json, sys, time
from cntr_slimmer.runs.embedded import Launch, running
from cntr_core.runtime import RuntimeOptions
from evaluation import pages

told = {}

def work(image, filesystem, pages):
    launch = Launch(image.config, "pages", RuntimeOptions())
    with running([pages.branch()], launch, filesystem) as container:
        while container.ended() is None:
            time.sleep(0.01)
        told["code"] = container.ended()
    told["pages"] = {file.path.decode(): numbers for file, numbers in pages.read().items()}

touched = pages.measure(sys.argv[1], work)
told["sums"] = [touched.all, touched.whole, touched.pages, touched.read]
print(json.dumps(told))
"""


def test_pages_are_those_that_a_program_touches(tmp_path: Path) -> None:
    (tmp_path / "main.c").write_text(PROGRAM)
    line = ["gcc", "-O1", "-static", "-o", str(tmp_path / "main"), str(tmp_path / "main.c")]
    subprocess.run(line, check=True, timeout=60)
    program, last = (tmp_path / "main").read_bytes(), 63 * PAGE + 10
    members = [
        file("main", program, mode=0o755),
        file("read", bytes(100 * PAGE)),
        file("mapped", bytes(last)),
        file("never", bytes(100 * PAGE)),
        *map(directory, ("dev", "proc", "sys")),
    ]
    image = layout(tmp_path / "image", tar(*members), config={"Entrypoint": ["/main"]})
    line = [sys.executable, "-c", MEASURE, image]
    done = subprocess.run(line, capture_output=True, timeout=120, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stderr.decode()
    told = json.loads(done.stdout)
    assert told["code"] == 0
    assert told["pages"]["/read"] == [7, 20, 21, 40, 41, 42]
    assert told["pages"]["/mapped"] == [3, 50, 63]
    assert set(told["pages"]) == {"/main", "/read", "/mapped"}
    own = len(told["pages"]["/main"])
    assert 0 < own < len(program) // PAGE, "of the program itself, too, not all is read"
    everything, whole, pages, read = told["sums"]
    assert (everything, read) == (len(program) + 200 * PAGE + last, 3)
    assert whole == len(program) + 100 * PAGE + last
    assert (own + 7) * PAGE < pages <= (own + 8) * PAGE + 10, "the last page of /mapped has ten bytes"
