"""What applications in Node.js and PHP come to late, packages' metadata, and the library of the command's language."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cntr_slimmer.rules.language_packages import LanguagePackages
from cntr_slimmer.rules.libraries import LanguageLibrary
from cntr_slimmer.rules.node_requires import MOST_NAMES, NodeRequires
from cntr_slimmer.rules.package_metadata import PackageMetadata
from cntr_slimmer.rules.php_pages import LIMIT, PhpPages
from cntr_slimmer.rules.translations import Translations
from cntr_slimmer.rules.web_assets import WebAssets

from tests.unit.slimmer.rules.trees import ask, plant

MODULES = "srv/node_modules"
EXPORTS = {
    ".": {"import": "./main.mjs", "browser": "./no.js", "node": [{"require": "./main.cjs"}]},
    "./sub/*": "./dist/*.js",
    "./\ud800": "./\ud800",
}


def test_modules_that_sources_require_by_a_literal(tmp_path: Path) -> None:
    files = {
        "srv/app.js": """
            import x, { y as z } from "plain";
            export * from './own.mjs';
            function late() { return require("@scope/exports/sub/a")(require(`./data`), import('folder')); }
            require("fs"); require("./lib"); require(`${"dynamic"}`); require("/srv/absolute"); require("exports")
        """,
        "srv/own.mjs": "",
        "srv/data.json": "",
        "srv/lib/index.js": "require('..//app'); require('native')",
        "srv/absolute.js": "",
        f"{MODULES}/plain/package.json": json.dumps({"main": "lib/entry"}),
        f"{MODULES}/plain/lib/entry.js": "require('nested')",
        f"{MODULES}/plain/lib/other.js": "",
        f"{MODULES}/plain/node_modules/nested/index.js": "",
        f"{MODULES}/nested/index.js": "",
        f"{MODULES}/@scope/exports/package.json": json.dumps({"exports": EXPORTS}),
        f"{MODULES}/@scope/exports/dist/a.js": "",
        f"{MODULES}/exports/package.json": json.dumps({"exports": EXPORTS}),
        f"{MODULES}/exports/main.mjs": "",
        f"{MODULES}/exports/main.cjs": "",
        f"{MODULES}/exports/no.js": "",
        f"{MODULES}/folder/index.json": "",
        "node_modules/native/package.json": "[" * 5000,
        "node_modules/native/index.node": "",
        f"{MODULES}/dynamic/index.js": "",
    }
    plant(tmp_path, files)
    kept = ask(tmp_path, [NodeRequires()], ["/srv/app.js"])
    gone = ("app.js", "no.js", "other.js", f"{MODULES}/nested/index.js", "dynamic/index.js", "native/package.json")
    assert {path[1:] for path in kept} == {path for path in files if not path.endswith(gone)}
    assert kept["/srv/data.json"].because == "/srv/app.js requires it"


@pytest.mark.parametrize(
    "call",
    [
        "require(`./commands/${name}.js`)",
        "require('./commands/' + name)",
        'import("../srv/commands/" + name)',
        "require(path.join(__dirname, 'commands', name))",
    ],
)
def test_a_module_is_chosen_from_a_directory(tmp_path: Path, call: str) -> None:
    modules = {"srv/commands/a.js": "require('../late')", "srv/commands/b/index.js": "", "srv/late.js": ""}
    plant(
        tmp_path, {"srv/app.js": f"const run = name => {call}", **modules, "srv/commands/README": "", "srv/no.js": ""}
    )
    kept = ask(tmp_path, [NodeRequires()], ["/srv/app.js"])
    assert set(kept) == {f"/{path}" for path in modules}
    plant(tmp_path, {f"srv/commands/{number}.js": "" for number in range(300)})
    assert ask(tmp_path, [NodeRequires()], ["/srv/app.js"]) == {}


@pytest.mark.parametrize(
    "line",
    [
        "import\n",
        "require('a/b/c/d')\n",
        "export ",
        "import {",
        "require(",
        '"use strict";',
        "require(`./",
        "require('./a/' ",
        "require(join(__dirname, 'a',",
    ],
)
def test_a_hostile_source_is_cheap(tmp_path: Path, line: str) -> None:
    plant(tmp_path, {"srv/a.js": line * (500_000 // len(line)), "x": ""})
    assert not ask(tmp_path, [NodeRequires()], ["/srv/a.js"])


def test_a_source_has_a_limit_of_names(tmp_path: Path) -> None:
    plant(tmp_path, {f"srv/m{number}.js": "" for number in range(MOST_NAMES + 10)})
    plant(tmp_path, {"srv/app.js": "".join(f"require('./m{number}')\n" for number in range(MOST_NAMES + 10))})
    assert len(ask(tmp_path, [NodeRequires()], ["/srv/app.js"])) == MOST_NAMES


def test_packages_beside_those_in_use_can_be_asked_for(tmp_path: Path) -> None:
    site = "usr/lib/python3/dist-packages"
    files = {
        f"{site}/a-1.dist-info/METADATA": "",
        f"{site}/a-1.dist-info/entry_points.txt": "",
        f"{site}/b.egg-info": "",
        f"{MODULES}/c/package.json": "",
        f"{MODULES}/@d/e/package.json": "",
    }
    others = {
        f"{site}/a-1.dist-info/RECORD": "",
        f"{site}/a.py": "",
        f"{MODULES}/c/index.js": "",
        "opt/f/package.json": "",
    }
    plant(tmp_path, {**files, **others})
    kept = ask(tmp_path, [PackageMetadata()], [f"/{site}", f"/{MODULES}"])
    assert {path[1:] for path in kept} == files.keys()
    assert kept[f"/{site}/b.egg-info"].because == f"programs look up the packages that are installed in /{site}"
    assert not ask(tmp_path, [PackageMetadata()], ["/opt"])


PAGES = {
    "var/www/html/index.php": "",
    "var/www/html/lib/class.inc": "",
    "var/www/html/shop": "->/usr/share/shop",
    "usr/share/shop/page.phtml": "",
    "usr/share/shop/loop": "->/usr/share/shop",
}
OTHERS = {
    "usr/share/shop/tests/x.php": "",
    "usr/share/shop/big.bin": "",
    "usr/share/other/x.php": "",
    "usr/bin/php8.2": "",
}


def test_the_other_pages_of_a_site(tmp_path: Path) -> None:
    plant(tmp_path, {**PAGES, **OTHERS})
    used = ["/usr/bin/php8.2", "/var/www/html/index.php"]
    kept = ask(tmp_path, [PhpPages()], used, working_dir=b"/var/www/html")
    pages = {"/var/www/html/lib/class.inc", "/usr/share/shop/page.phtml"}
    assert set(kept) == pages
    assert not ask(tmp_path, [PhpPages()], used[1:], working_dir=b"/var/www/html")
    with (tmp_path / "var/www/html/lib/class.inc").open("wb") as large:
        large.truncate(LIMIT + 1)
    assert set(ask(tmp_path, [PhpPages()], used, working_dir=b"/var/www/html")) == {"/usr/share/shop/page.phtml"}


def test_what_a_page_has_its_readers_load(tmp_path: Path) -> None:
    assets = ("srv/public/js/app.js", "srv/public/logo.svg")
    others = (
        "srv/public/app.js.map",
        "srv/public/data.db",
        "srv/other/x.js",
        "etc/static/x.js",
        "srv/static/y.js",
        "srv/app.py",
    )
    plant(tmp_path, dict.fromkeys((*assets, *others), ""))
    kept = ask(tmp_path, [WebAssets()], ["/srv/public", "/srv/other", "/etc/static"])
    assert {path[1:] for path in kept} == set(assets)
    assert set(ask(tmp_path, [WebAssets()], ["/srv/app.py"])) == {*map("/{}".format, assets), "/srv/static/y.js"}
    assert kept["/srv/public/logo.svg"].because == "may be served as other files in /srv/public are"
    with (tmp_path / assets[0]).open("wb") as large:
        large.truncate((WebAssets.limit or 0) + 1)
    assert set(ask(tmp_path, [WebAssets()], ["/srv/public"])) == {"/srv/public/logo.svg"}


def test_what_sources_and_pages_name_comes_first(tmp_path: Path) -> None:
    plant(
        tmp_path,
        {
            "srv/app.js": "main = production ? 'red/app.min.js' : `red/app.js`",
            "srv/views/index.ejs": '<link href="/big.css"><script src=absent.js>',
            "srv/never.js": "'unread.js'",
            "srv/public/small.svg": "",
        },
    )
    named = ("red/app.min.js", "big.css")
    for name in (*named, "other/app.min.js", "unread.js"):
        large = tmp_path / "srv/public" / name
        large.parent.mkdir(exist_ok=True)
        with large.open("wb") as file:
            file.truncate((WebAssets.limit or 0) * 2 // 5)
    used = {"/srv/app.js": ["read"], "/srv/views/index.ejs": ["read"], "/srv/never.js": ["lookup"]}
    kept = ask(tmp_path, [WebAssets()], used)
    assert set(kept) == {f"/srv/public/{name}" for name in (*named, "small.svg")}


@pytest.mark.parametrize(
    ("command", "whole"),
    [
        ((b"python3", b"-m", b"http.server"), True),
        ((b"/bin/sh", b"-c", b"exec gunicorn app:app"), True),
        ((b"nginx",), False),
        ((b"sh", b"/entry.sh"), False),
    ],
)
def test_the_library_of_the_commands_language(tmp_path: Path, command: tuple[bytes, ...], whole: bool) -> None:
    lib = "usr/lib/python3.11"
    plant(tmp_path, {f"{lib}/encodings/__init__.py": "", f"{lib}/csv.py": "", f"{lib}/json/decoder.py": ""})
    plant(tmp_path, {f"{lib}/test/x.py": "", f"{lib}/idlelib/y.py": "", "usr/bin/gunicorn": "#!/usr/bin/python3\n"})
    plant(tmp_path, {"entry.sh": "#!/bin/sh\npython3 x", "usr/lib/perl/5.36/x.pm": "", "usr/bin/perl": ""})
    used = [f"/{lib}/encodings/__init__.py", "/usr/bin/perl"]
    kept = ask(tmp_path, [LanguageLibrary()], used, commands=(command,))
    assert set(kept) == ({f"/{lib}/csv.py", f"/{lib}/json/decoder.py", "/usr/bin/gunicorn"} if whole else set())


def test_texts_in_other_languages(tmp_path: Path) -> None:
    wanted = ("i18n/de.json", "locales/pt-BR/editor.json", "lang/zh_CN.php")
    others = ("i18n/qqq.json", "i18n/de.txt", "locales/de/other.json", "unread/de.json", "lang/dea.php")
    english = ("i18n/en.json", "locales/en-US/editor.json", "lang/en_US.php", "unread/en.json")
    plant(tmp_path, dict.fromkeys((f"srv/{name}" for name in (*wanted, *others, *english)), ""))
    used = {f"/srv/{name}": ["read"] if name != "unread/en.json" else ["lookup"] for name in english}
    kept = ask(tmp_path, [Translations()], used)
    assert set(kept) == {f"/srv/{name}" for name in wanted}
    assert kept["/srv/i18n/de.json"].because.startswith("the same texts as /srv/i18n/en.json, which was read")
    with (tmp_path / "srv/i18n/de.json").open("wb") as large:
        large.truncate((Translations.limit or 0) + 1)
    assert not ask(tmp_path, [Translations()], used)  # nor one that comes after it


GEM, NODE, COMPOSER = "var/lib/gems/3.1.0/gems/rack-3.0.1", "srv/node_modules/@a/b", "srv/vendor/owner/name"
SITE_PERL = "usr/local/lib/perl5/site_perl/5.36.0"


@pytest.mark.parametrize(
    ("used", "whole", "others"),
    [
        (f"{GEM}/lib/rack.rb", [f"{GEM}/lib/rack/late.rb"], ["var/lib/gems/3.1.0/gems/rack-test-2.0/lib/x.rb"]),
        (f"{NODE}/index.js", [f"{NODE}/late.js"], [f"{NODE}/node_modules/c/index.js", "srv/node_modules/@a/c/x.js"]),
        (f"{NODE}/node_modules/c/index.js", [f"{NODE}/node_modules/c/late.js"], [f"{NODE}/late.js"]),
        (f"{NODE}/package.json", [], [f"{NODE}/late.js"]),
        (f"{COMPOSER}/src/A.php", [f"{COMPOSER}/src/B.php"], ["srv/vendor/owner/other/C.php"]),
        ("srv/vendor/composer/ClassLoader.php", [], ["srv/vendor/composer/Other.php"]),
        ("opt/vendor/owner/name/A.php", [], ["opt/vendor/owner/name/B.php"]),
        (f"{SITE_PERL}/Far/Away.pm", [f"{SITE_PERL}/Far/Late.pm"], [f"{SITE_PERL}/Other.pm"]),
        ("usr/local/share/perl/5.36.0/Far.pm", ["usr/local/share/perl/5.36.0/Far/Late.pm"], []),
    ],
)
def test_whole_packages_of_languages(tmp_path: Path, used: str, whole: list[str], others: list[str]) -> None:
    plant(tmp_path, dict.fromkeys((used, *whole, *others, "srv/vendor/composer/installed.json"), ""))
    lists = (f"{SITE_PERL}/x86_64-linux-gnu/auto/Far", "usr/local/lib/x86_64-linux-gnu/perl/5.36.0/auto/Far")
    plant(tmp_path, {f"{place}/.packlist": "".join(f"/{path} type=file\n" for path in whole) for place in lists})
    assert set(ask(tmp_path, [LanguagePackages()], [f"/{used}"])) == {f"/{path}" for path in whole}
    assert ask(tmp_path, [LanguagePackages()], {f"/{used}": ["lookup"]}) == {}
