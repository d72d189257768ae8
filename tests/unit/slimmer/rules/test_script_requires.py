"""What sources of Ruby, Perl and PHP name by a literal."""

from __future__ import annotations

from pathlib import Path

import pytest
from cntr_slimmer.rules.script_requires import LARGEST, ScriptRequires

from tests.unit.slimmer.rules.trees import ask, plant

RUBY = "usr/lib/ruby/3.1.0"
PERL = "usr/share/perl5"

RUBY_FILES = {
    "srv/app.rb": """
        PAGES = { '/json' => -> { require 'json'; 1 } }
        require_relative 'lib/own'
        autoload :CSV, "csv"
        def late; require("net/http") ; require "gem"; require "#{x}"; load 'own/task.rb' end
        # require 'json/no'
    """,
    "srv/lib/own.rb": "",
    "srv/own/task.rb": "",
    f"{RUBY}/json.rb": "require 'json/ext'",
    f"{RUBY}/json/ext.rb": "require 'json/parser'",
    "usr/lib/x86_64-linux-gnu/ruby/3.1.0/json/parser.so": "",
    f"{RUBY}/csv.rb": "",
    f"{RUBY}/net/http.rb": "",
    "usr/share/rubygems-integration/all/gems/gem-1/lib/gem.rb": "",
}
PERL_FILES = {
    "usr/bin/tool": "#!/usr/bin/perl\nuse strict;\nsub late { require Far::Away; }\nuse parent qw(Base -norequire);",
    f"{PERL}/Far/Away.pm": "package Far::Away; require 'far.pl';",
    "usr/lib/x86_64-linux-gnu/perl5/5.36/auto/Far/Away/Away.so": "",
    f"{PERL}/auto/Far/Away/autosplit.ix": "",
    f"{PERL}/far.pl": "",
    f"{PERL}/Base.pm": "",
    f"{PERL}/strict.pm": "",
}
PHP_FILES = {
    "srv/www/index.php": "<?php require __DIR__ . '/../lib/a.php'; if ($x) { include_once(ROOT . 'b.inc'); }",
    "srv/lib/a.php": "<?php require_once 'pear.php'; include $page . '.php';",
    "srv/b.inc": "",
    "usr/share/php/pear.php": "",
}


@pytest.mark.parametrize(
    ("files", "source"),
    [(RUBY_FILES, "/srv/app.rb"), (PERL_FILES, "/usr/bin/tool"), (PHP_FILES, "/srv/www/index.php")],
    ids=["ruby", "perl", "php"],
)
def test_what_sources_require(tmp_path: Path, files: dict[str, str], source: str) -> None:
    others = ("usr/share/php/other.php", f"{PERL}/Other.pm", f"{RUBY}/other.rb", "opt/json.rb")
    plant(tmp_path, {**files, **dict.fromkeys(others, "")})
    kept = ask(tmp_path, [ScriptRequires()], [source], working_dir=b"/srv")
    assert set(kept) == {f"/{path}" for path in files} - {source}
    assert f"{source} requires it" in {reason.because for reason in kept.values()}
    assert ask(tmp_path, [ScriptRequires()], {source: ["lookup"]}, working_dir=b"/srv") == {}  # as ls -l does


@pytest.mark.parametrize("word", [b"require ", b"use A::", b"include(", b"use parent A::B, ", b"autoload :a", b"'"])
def test_a_hostile_source_is_cheap(tmp_path: Path, word: bytes) -> None:
    for ending in ("rb", "pm", "php"):
        plant(tmp_path, {f"srv/a.{ending}": word * (LARGEST // len(word))})
    assert not ask(tmp_path, [ScriptRequires()], [f"/srv/a.{ending}" for ending in ("rb", "pm", "php")])
