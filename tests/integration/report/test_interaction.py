"""The page under a person's hands: keys, small windows, the dark, no scripts, and an image of 30,000 files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cntr_slimmer.report.data import collect
from cntr_slimmer.report.write import render, write_report

from tests.integration.report.driver import Page, opened_browser
from tests.unit.images.layouts import file, tar
from tests.unit.slimmer.report import making

pytestmark = [pytest.mark.requires("chromium"), pytest.mark.timeout(180)]
_FILES = 30_000
_COUNT = "document.getElementById('file-count').textContent"
_OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of an image with packages, findings and layers."""
    where = tmp_path_factory.mktemp("small")
    with making.slimmed(where, history=[{"created_by": f"RUN {'long-command ' * 20}"}, {}]) as (result, image):
        report = collect(result, image, making.packed(result), "out.tar")
        write_report(render(report), result.trace, str(where))
    return where / "report.html"


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("large")
    names = [f"usr/lib/python3/package_{n % 97}/module_{n % 11}/file_{n}.py" for n in range(_FILES)]
    layer = tar(*(file(name, b"x" * (number % 50)) for number, name in enumerate(names)))
    with making.slimmed(where, [layer], used=[f"/{name}".encode() for name in names[::9]]) as (result, image):
        write_report(render(collect(result, image, (), "")), result.trace, str(where))
    return where / "report.html"


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with opened_browser() as page:
        yield page


@pytest.mark.parametrize("width", [320, 400, 1280])
def test_nothing_is_wider_than_the_window(page: Page, small: Path, width: int) -> None:
    page.open(small, width=width)
    page.value("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert page.value(_OVERFLOW) == 0
    wide = "[...document.querySelectorAll('.scroll')].filter((each) => each.scrollWidth > each.clientWidth).length"
    assert page.value(wide) == 0


@pytest.mark.parametrize(("width", "columns"), [(400, 1), (1280, 6)])
def test_rows_stack_in_a_small_window(page: Page, small: Path, width: int, columns: int) -> None:
    page.open(small, width=width)
    cells = "document.querySelector('#file-table tbody tr').cells"
    assert page.value(f"new Set([...{cells}].map((cell) => cell.getBoundingClientRect().left)).size") == columns


def test_typing_narrows_the_files(page: Page, small: Path) -> None:
    page.open(small)
    page.value("document.getElementById('search').focus()")
    page.type("app.conf")
    assert page.value(_COUNT).startswith("1 name,")
    assert "q=app.conf" in page.value("location.hash")


def test_keys_sort_and_show(page: Page, small: Path) -> None:
    page.open(small)
    page.value("document.querySelector('#file-table thead button').focus()")
    page.press("Enter", 13, "\r")
    head = "document.querySelector('#file-table thead th').getAttribute('aria-sort')"
    assert page.value(head) == "ascending"
    page.press(" ", 32, " ")
    assert page.value(head) == "descending"
    page.value("document.querySelector('[data-show=moved]').focus()")
    page.press("Enter", 13, "\r")
    states = "new Set([...document.querySelectorAll('#file-table .state')].map((each) => each.textContent))"
    assert page.value(f"[...{states}]") == ["moved"]


def test_the_keyboard_reaches_everything_that_can_be_pressed(page: Page, small: Path) -> None:
    page.open(small)
    controls = "[...document.querySelectorAll('button, input, summary, a[href]')].filter((e) => e.checkVisibility())"
    count = page.value(f"{controls}.length")
    page.value("globalThis.reached = new Set()")
    for _ in range(count + 40):  # regions that scroll have the focus, too
        page.press("Tab", 9)
        page.value("reached.add(document.activeElement)")
    assert page.value(f"{controls}.filter((each) => !reached.has(each)).map((each) => each.textContent)") == []


@pytest.mark.parametrize("dark", [False, True])
def test_texts_stand_out(page: Page, small: Path, dark: bool) -> None:
    """The ratio that WCAG 2.2 wants of texts is 4.5."""
    page.open(small, dark=dark)
    page.value(_CONTRAST)
    for selector in ("body", ".note", "nav a", ".state.kept", ".state.moved", "h2", "#file-table thead button"):
        assert page.value(f"contrast({selector!r})") >= 4.5, selector
    assert (page.value("luminance(getComputedStyle(document.body).backgroundColor)") < 0.2) == dark


_CONTRAST = """
globalThis.luminance = (colour) => colour.match(/[\\d.]+/g).slice(0, 3).map((each) => each / 255)
  .map((each) => (each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4))
  .reduce((sum, each, at) => sum + each * [0.2126, 0.7152, 0.0722][at], 0);
globalThis.contrast = (selector) => {
  let below = document.querySelector(selector);
  const text = luminance(getComputedStyle(below).color);
  while (getComputedStyle(below).backgroundColor === "rgba(0, 0, 0, 0)") below = below.parentElement;
  const paper = luminance(getComputedStyle(below).backgroundColor);
  return (Math.max(text, paper) + 0.05) / (Math.min(text, paper) + 0.05);
};
"""


def test_without_scripts_nothing_is_dead(page: Page, small: Path) -> None:
    page.open(small, scripts=False)
    assert page.value("[...document.querySelectorAll('button, input')].filter((e) => e.checkVisibility()).length") == 0
    assert "/usr/share/doc/long" in page.value("document.getElementById('moved').innerText")
    assert "1.0-2" in page.value("document.querySelector('#packages').innerText")
    links = "[...document.querySelectorAll('nav a')].filter((each) => each.checkVisibility())"
    targets = f"{links}.filter((each) => !document.querySelector(each.hash).checkVisibility()).length"
    assert page.value(targets) == 0


def test_thirty_thousand_files(page: Page, large: Path) -> None:
    assert large.stat().st_size < 110 * _FILES  # bytes: a path, and little more
    page.open(large, width=400)
    assert page.value(_OVERFLOW) == 0
    page.value("document.querySelector('[data-show=all]').click()")
    page.value("document.getElementById('search').focus()")
    page.type("package_7/module_3/")
    expected = sum(n % 97 == 7 and n % 11 == 3 for n in range(_FILES))
    assert page.value(_COUNT).startswith(f"{expected} names")
    page.value("document.querySelector('#files .more button').click()")
    assert page.value("document.querySelectorAll('#file-table tbody tr').length") == expected > 25
