"""The page in a real browser: it shows what is in the report, asks for nothing, and does nothing that names say."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from cntr_slimmer.report.amounts import size
from cntr_slimmer.report.data import collect
from cntr_slimmer.report.schema import Report
from cntr_slimmer.report.write import read_report, render, write_report

from tests.integration.report.browser import Visit, visit
from tests.support.cntr import PROGRAM, environment
from tests.unit.images.layouts import directory, file, symlink, tar
from tests.unit.slimmer.report import making

_SIDES = ("width", "height")

pytestmark = [pytest.mark.requires("chromium"), pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def nginx(nginx_archive: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report's directory of nginx, slimmed for real."""
    where = tmp_path_factory.mktemp("nginx")
    names = ("--slim-name", "nginx:slim", "--fat-name", "nginx:fat")
    line = [PROGRAM, "slim", nginx_archive, "-o", "nginx-slim.tar", *names, "--report", "."]
    subprocess.run(line, cwd=where, env=environment(), check=True, capture_output=True, timeout=120)
    return where


def look(where: Path, fragment: str = "") -> Visit:
    """What the page is like, which has no errors and asks for nothing but itself."""
    page = where / "report.html"
    seen = visit(page, fragment)
    assert seen.console == []
    assert seen.requests == set()
    return seen


def test_the_browser_tells_of_errors_and_requests(tmp_path: Path) -> None:
    page = '<!DOCTYPE html><img src="http://picture.invalid/"><script>fetch("https://data.invalid/"); none()</script>'
    (tmp_path / "report.html").write_text(page)
    seen = visit(tmp_path / "report.html")
    assert seen.requests == {"http://picture.invalid/", "https://data.invalid/"}
    assert any("none is not defined" in line for line in seen.console)


def rows(seen: Visit, table: str) -> list[list[str]]:
    body = seen.elements.id(table).tags("tbody")[0]
    return [[cell.text for cell in row.tags("td")] for row in body.tags("tr")]


class Node:
    """A directory of the map, made from the report's own files."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.bytes = 0
        self.children: dict[str, Node] = {}


def tree(report: Report) -> Node:
    root = Node("/")
    for each in report.files:
        here = root
        for part in each.path.strip("/").split("/") if each.bytes else ():
            here.bytes += each.bytes
            here = here.children.setdefault(part, Node(f"{here.path.rstrip('/')}/{part}"))
        here.bytes += each.bytes
    return root


def cells(node: Node, view: Node, levels: int = 4) -> list[str]:
    """The paths that have cells of their own: of 1/1500 of the view at least, or one for several others; directories of
    1/60 are opened."""
    own = [child for child in node.children.values() if child.bytes * 1500 >= view.bytes]
    rest = [child for child in node.children.values() if child.bytes * 1500 < view.bytes]
    found = [f"{node.path.rstrip('/')}/…"] if len(rest) > 1 else [child.path for child in rest]
    for child in own:
        opened = levels > 1 and child.children and child.bytes * 60 >= view.bytes
        found += cells(child, view, levels - 1) if opened else [child.path]
    return found


def drawn(seen: Visit) -> list[str]:
    return sorted(each.attributes["aria-label"].partition(": ")[0] for each in seen.elements.of_class("cell"))


@pytest.mark.requires("root", "fuse", "overlayfs", "runc", "mmdebstrap")
class TestNginx:
    def test_the_headline_has_the_numbers(self, nginx: Path) -> None:
        report, seen = read_report(str(nginx)), look(nginx)
        text = seen.elements.tags("header")[0].text
        assert f"{report.content.bytes / 1e6:.1f} MB" in text and f"{report.content.kept_bytes / 1e6:.1f} MB" in text
        assert "The slim image does what the original does" in text
        assert f"{report.content.kept_files:,} of {report.content.files:,}" in " ".join(text.split())

    def test_the_map_has_a_cell_for_each_directory_and_file_of_some_size(self, nginx: Path) -> None:
        root = tree(read_report(str(nginx)))
        assert drawn(look(nginx)) == sorted(cells(root, root))

    def test_the_map_opens_a_directory(self, nginx: Path) -> None:
        node = tree(read_report(str(nginx))).children["usr"].children["lib"]
        seen = look(nginx, "map=/usr/lib")
        assert drawn(seen) == sorted(cells(node, node))
        assert seen.elements.id("crumbs").text == "/usr/lib"
        assert seen.elements.id("readout").text.startswith("/usr/lib: ")

    @pytest.mark.parametrize("path", ["/var/lib/dpkg", "/"])
    def test_the_map_counts_of_the_list_of_packages_what_is_kept(self, nginx: Path, path: str) -> None:
        """It is a part of the original's, the one file that is not kept whole."""
        report = read_report(str(nginx))
        below = [each for each in report.files if each.path.startswith(path)]
        assert sum(each.slim_bytes for each in below) < sum(each.bytes for each in below if each.kept)
        kept = size(sum(each.slim_bytes for each in below))
        assert look(nginx, f"map={path}").elements.id("readout").text.endswith(f", of which {kept} are kept")

    def test_the_map_shows_packages(self, nginx: Path) -> None:
        report, seen = read_report(str(nginx)), look(nginx, "by=package")
        names = {each.attributes["aria-label"].partition(": ")[0] for each in seen.elements.of_class("cell")}
        large = {each.name for each in report.packages if each.bytes * 1500 >= report.content.bytes}
        assert large and names >= large | {"no package"}

    def test_the_areas_are_the_sizes(self, nginx: Path) -> None:
        root = tree(read_report(str(nginx)))
        seen = look(nginx)
        area = {}
        for each in seen.elements.of_class("cell"):
            width, height = (float(re.search(rf"{side}: ([\d.]+)%", each.attributes["style"])[1]) for side in _SIDES)
            area[each.attributes["aria-label"].partition(": ")[0]] = width * height
        lib = root.children["usr"].children["lib"].children["x86_64-linux-gnu"].children
        one, other = lib["libcrypto.so.3"], lib["libc.so.6"]
        assert area[one.path] / area[other.path] == pytest.approx(one.bytes / other.bytes, rel=0.02)

    def test_a_search_narrows_the_table(self, nginx: Path) -> None:
        report, seen = read_report(str(nginx)), look(nginx, "q=libssl")
        found = rows(seen, "file-table")
        expected = {each.path for each in report.files if each.kept and "libssl" in f"{each.path} {each.package}"}
        assert {row[0].partition("→")[0] for row in found} == expected
        assert seen.elements.id("file-count").text.startswith(f"{len(expected)} names")
        [why] = {row[4] for row in found if row[0] == "/usr/lib/x86_64-linux-gnu/libssl.so.3"}
        assert "/usr/sbin/nginx" in why and why.endswith("trace")

    def test_exact_words_and_what_moved(self, nginx: Path) -> None:
        report = read_report(str(nginx))
        found = rows(look(nginx, "q=package:dash&show=moved"), "file-table")
        assert {row[0].partition("→")[0] for row in found} == {
            each.path for each in report.files if each.package == "dash" and not each.kept
        }

    def test_many_rows_come_piece_by_piece(self, nginx: Path) -> None:
        report, seen = read_report(str(nginx)), look(nginx, "show=all")
        assert len(rows(seen, "file-table")) == 25
        assert f"({len(report.files) - 25:,} are left)" in seen.elements.id("files").text
        assert len(rows(seen, "package-table")) == 15

    def test_what_moved_and_how_it_behaves(self, nginx: Path) -> None:
        seen = look(nginx)
        assert "Shells: 4 of 4 moved" in seen.elements.id("safety").text
        behaviour = " ".join(seen.elements.id("behaviour").text.split())
        assert "ports:80" in behaviour and "status200200" in behaviour  # the cells of a row


HOSTILE = (
    "<img src=x onerror=\"document.title='taken'\">",
    "</script><script>document.title='taken'</script>",
    "<!--<script>",
    "line\nbreak",
    "invalid\udcff",
    "{{ 7 * 7 }}",
    "__proto__",
    "constructor",
)


def _hostile(where: Path) -> Report:
    members = [file(f"d/{name}".replace("</", "<"), bytes(900 + number)) for number, name in enumerate(HOSTILE)]
    slashed = [directory("d/<"), file("d/</script><script>document.title='taken'<", bytes(5000))]
    layer = tar(directory("d"), *members, *slashed, symlink("d/link", HOSTILE[0]))
    history = [{"created_by": HOSTILE[1]}]
    used = [b"/d/" + HOSTILE[0].encode(), b"/d/link", b"/d/line\nbreak", b"/d/invalid\xff"]
    with making.slimmed(where, [layer], used=used, history=history) as (result, image):
        made = collect(result, image, making.packed(result), HOSTILE[1])
        write_report(render(made), result.trace, str(where))
    return made


def test_names_of_strangers_are_only_text(tmp_path: Path) -> None:
    made = _hostile(tmp_path)
    seen = look(tmp_path, "show=all")
    assert [title.text for title in seen.elements.tags("title")] and "taken" not in seen.elements.tags("title")[0].text
    assert seen.elements.tags("img") == []
    assert len(seen.elements.tags("script")) == 2
    assert {row[0].partition("→")[0] for row in rows(seen, "file-table")} == {each.path for each in made.files}
    assert set(drawn(seen)) >= {"/d/__proto__", "/d/constructor", "/d/line\\x0abreak", "/d/invalid\\xff"}
    assert HOSTILE[1] in seen.elements.id("layers").text


def test_an_image_without_anything(tmp_path: Path) -> None:
    with making.slimmed(tmp_path, [tar(file("empty"))], used=()) as (result, image):
        write_report(render(collect(result, image, (), "")), result.trace, str(tmp_path))
    seen = look(tmp_path)
    assert "Nothing here has any bytes" in seen.elements.id("map").text
    assert "no list of packages" in seen.elements.id("packages").text


def test_thousands_of_files_are_quick(tmp_path: Path) -> None:
    names = [f"d{number % 97}/e{number % 11}/file-{number}" for number in range(40_000)]
    layer = tar(*(file(name, b"x") for name in names))
    with making.slimmed(tmp_path, [layer], used=[f"/{name}".encode() for name in names[::9]]) as (result, image):
        write_report(render(collect(result, image, (), "")), result.trace, str(tmp_path))
    seen = look(tmp_path, "show=all&q=e7")
    assert seen.elements.id("file-count").text.startswith(f"{sum(n % 11 == 7 for n in range(40_000)) + 97:,} names")
