"""Presets: the format, the built-in ones, and what they keep."""

from __future__ import annotations

from pathlib import Path

import pytest
from cntr_slimmer.rules.globs import compiled
from cntr_slimmer.rules.libraries import PerlLibrary, PhpLibrary, RubyLibrary
from cntr_slimmer.rules.presets import CarefulPresets, Preset, Presets, builtin, parse

from cntr_core.errors import PluginError
from tests.unit.slimmer.rules.trees import ask, plant

TEXT = """
[[preset]]
name = "tool"
when = ["**//bin/tool", "/opt/tool"]
because = "tool reads it late"
keep = ["share/tool/**", "/etc/tool.conf"]
"""


def test_a_preset_is_read() -> None:
    [preset] = parse(TEXT, "tool.toml")
    assert preset == Preset(
        name="tool",
        when=(b"**//bin/tool", b"/opt/tool"),
        keep=(b"share/tool/**", b"/etc/tool.conf"),
        because="tool reads it late",
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[[preset", "expected"),
        ("[preset]", "{} is not a list"),
        ("", "'preset'"),
        (TEXT.replace("name", "nome"), "nome"),
        (TEXT.replace("because", "# because"), "because"),
        (TEXT.replace('"/opt/tool"', '"opt/tool"'), "'opt/tool' begins neither with / nor with"),
        (TEXT.replace('["share/tool/**", "/etc/tool.conf"]', "3"), "3 is not a list"),
        (TEXT.replace('["share/tool/**", "/etc/tool.conf"]', '"/etc"'), "not a list"),
    ],
)
def test_a_mistake_in_a_preset_is_told_with_the_file(text: str, reason: str) -> None:
    with pytest.raises(PluginError, match=r"the presets in tool\.toml cannot be read: ") as caught:
        list(parse(text, "tool.toml"))
    assert reason in caught.value.message


def _ask(root: Path, used: str) -> set[str]:
    presets = list(parse(TEXT, "tool.toml"))
    return set(ask(root, [Presets(presets)], [used]))


def test_a_home_is_where_the_program_is(tmp_path: Path) -> None:
    files = ("usr/bin/tool", "usr/local/bin/tool", "usr/share/tool/a", "usr/local/share/tool/a/b", "etc/tool.conf")
    plant(tmp_path, dict.fromkeys((*files, "bin/tool", "share/tool/c", "opt/tool", "opt/nottool"), ""))
    assert _ask(tmp_path, "/usr/bin/tool") == {"/usr/share/tool/a", "/etc/tool.conf"}
    assert _ask(tmp_path, "/usr/local/bin/tool") == {"/usr/local/share/tool/a/b", "/etc/tool.conf"}
    assert _ask(tmp_path, "/bin/tool") == {"/share/tool/c", "/etc/tool.conf"}
    assert _ask(tmp_path, "/opt/tool") == {"/share/tool/c", "/etc/tool.conf"}
    assert _ask(tmp_path, "/opt/nottool") == set()


def test_the_built_in_presets_are_whole() -> None:
    names = [preset.name for preset in builtin()]
    assert len(names) == len(set(names))
    assert {"node", "ruby", "perl", "php", "jvm", "nginx", "postgres", "redis", "erlang", "apache"} <= set(names)
    for preset in builtin():
        assert preset.because and preset.keep
        compiled(preset.keep)
        relative = [glob for glob in preset.keep if not glob.startswith(b"/")]
        assert not relative or all(b"//" in glob for glob in preset.when), f"{preset.name}: from where do they count?"


def test_java_is_found_wherever_it_is(tmp_path: Path) -> None:
    files = (
        "conf/security/java.security",
        "lib/modules",
        "lib/libawt.so",
        "lib/security/cacerts",
        "lib/tzdb.dat",
        "bin/keytool",
    )
    unused = ("lib/src.zip", "lib/ct.sym", "bin/javac")
    plant(tmp_path, {f"opt/jdk/{name}": "" for name in (*files, *unused, "lib/server/libjvm.so", "lib/libjli.so")})
    kept = set(ask(tmp_path, [Presets()], ["/opt/jdk/lib/server/libjvm.so", "/opt/jdk/lib/libjli.so"]))
    assert kept == {f"/opt/jdk/{name}" for name in files}


# For each family the file whose use shows it, one that is kept then, one that only the careful keep; "" for none.
LIB = "/usr/lib/x86_64-linux-gnu"
FAMILIES = {
    "openssl": (f"{LIB}/libcrypto.so.3", f"{LIB}/ossl-modules/legacy.so", ""),
    "character-sets": (f"{LIB}/libxml2.so.2.9.14", f"{LIB}/gconv/ISO8859-15.so", ""),
    "all-character-sets": (f"{LIB}/libc.so.6", "", f"{LIB}/gconv/EUC-JP.so"),
    "imagemagick": (
        f"{LIB}/libMagickCore-6.Q16.so.6.0.0",
        f"{LIB}/ImageMagick-6.9.11/modules-Q16/coders/png.so",
        f"{LIB}/ImageMagick-6.9.11/modules-Q16/coders/heic.so",
    ),
    "gdk-pixbuf": (f"{LIB}/libgdk_pixbuf-2.0.so.0", f"{LIB}/gdk-pixbuf-2.0/2.10.0/loaders/libpixbufloader-svg.so", ""),
    "gio": (f"{LIB}/libgio-2.0.so.0", f"{LIB}/gio/modules/libgiognutls.so", ""),
    "gstreamer": (
        f"{LIB}/libgstreamer-1.0.so.0",
        f"{LIB}/gstreamer-1.0/libgstcoreelements.so",
        f"{LIB}/gstreamer-1.0/libgstlibav.so",
    ),
    "vips": (f"{LIB}/libvips.so.42", "", f"{LIB}/vips-modules-8.14/vips-poppler.so"),
    "odbc": (f"{LIB}/libodbc.so.2", f"{LIB}/odbc/psqlodbcw.so", ""),
    "qt": (
        f"{LIB}/libQt5Core.so.5.15.8",
        f"{LIB}/qt5/plugins/platforms/libqoffscreen.so",
        f"{LIB}/qt5/plugins/audio/libqtaudio_alsa.so",
    ),
    "nss": (f"{LIB}/libnss3.so", f"{LIB}/libsoftokn3.so", ""),
    "p11-kit": (f"{LIB}/libp11-kit.so.0", f"{LIB}/pkcs11/p11-kit-trust.so", ""),
    "kerberos": (f"{LIB}/libkrb5.so.3", "/etc/krb5.conf", ""),
    "sasl": (f"{LIB}/libsasl2.so.2", f"{LIB}/sasl2/libplain.so", f"{LIB}/sasl2/libsasldb.so"),
    "fonts": (
        f"{LIB}/libfontconfig.so.1",
        "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
        "/usr/share/fonts/truetype/x/X.ttf",
    ),
    "lua": (f"{LIB}/liblua5.3.so.0", "/usr/share/lua/5.3/socket/http.lua", ""),
    "git": (
        "/usr/bin/git",
        "/usr/lib/git-core/git-remote-http",
        "/usr/share/git-core/templates/hooks/fsmonitor-watchman.sample",
    ),
    "dpkg": ("/usr/bin/dpkg-query", "/var/lib/dpkg/info/bash.list", ""),
    "rpm": ("/usr/bin/rpm", "/usr/lib/rpm/macros", ""),
    "perl's AutoLoader": ("/usr/share/perl5/auto/A/autosplit.ix", "/usr/share/perl5/auto/A/late.al", ""),
    "mime types": ("/usr/bin/python3.11", "/etc/mime.types", ""),
    "go": ("/usr/local/go/bin/go", "/usr/local/go/src/net/http/client.go", ""),
    "go's tools": ("/usr/local/go/bin/go", "/usr/local/go/pkg/tool/linux_amd64/asm", ""),
    "go's own cgo": ("/usr/local/go/bin/go", "/usr/local/go/src/runtime/cgo/gcc_amd64.S", ""),
    "cgo": ("/usr/local/go/bin/go", "/usr/lib/gcc/x86_64-linux-gnu/12/cc1", ""),
    "erlang": ("/usr/lib/erlang/erts-13.1.5/bin/beam.smp", "/usr/lib/erlang/bin/start_clean.boot", ""),
    "java's fonts": ("/opt/jdk/lib/libfontmanager.so", f"{LIB}/libfontconfig.so.1", ""),
    "empty libraries": ("/usr/bin/gcc-12", f"{LIB}/libpthread.a", ""),
    "headers": ("/usr/bin/gcc-12", "/usr/include/math.h", ""),
    "postgres": ("/usr/lib/postgresql/15/bin/postgres", "/usr/lib/postgresql/15/lib/pgcrypto.so", ""),
    "extensions": ("/usr/lib/postgresql/15/bin/postgres", "/usr/share/postgresql/15/extension/pgcrypto--1.3.sql", ""),
    "mariadb": ("/usr/sbin/mariadbd", "/usr/lib/mysql/plugin/auth_ed25519.so", ""),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_families_that_are_opened_by_name(tmp_path: Path, family: str) -> None:
    used, kept, careful = FAMILIES[family]
    others = (
        "/usr/local/go/src/cmd/go/main.go",
        "/usr/local/go/pkg/tool/linux_amd64/trace",
        f"{LIB}/other.so",
        "/usr/lib/postgresql/15/lib/llvmjit.so",
    )
    plant(tmp_path, dict.fromkeys([path for path in (used, kept, careful, *others) if path], ""))
    found = {path: reason.rule for path, reason in ask(tmp_path, [Presets(), CarefulPresets()], [used]).items()}
    assert found == {kept: "presets"} | {careful: "careful-presets"} if careful and kept else found
    assert found.get(kept or careful) == ("presets" if kept else "careful-presets") and not set(others) & set(found)


def test_postgres_has_its_files_beside_it_or_as_debian_has_them(tmp_path: Path) -> None:
    debian = {"usr/share/postgresql/15/postgres.bki", "usr/lib/postgresql/15/lib/utf8_and_win.so"}
    prefix = {"usr/local/share/postgresql/timezone/UTC", "usr/local/lib/postgresql/plpgsql.so"}
    plant(
        tmp_path, dict.fromkeys((*debian, *prefix, "usr/lib/postgresql/15/bin/postgres", "usr/local/bin/postgres"), "")
    )
    assert set(ask(tmp_path, [Presets()], ["/usr/lib/postgresql/15/bin/postgres"])) == {f"/{path}" for path in debian}
    assert f"/{prefix.pop()}" in ask(tmp_path, [Presets()], ["/usr/local/bin/postgres"])


@pytest.mark.parametrize("root", ["usr/lib/ruby", "usr/local/lib/ruby"])
def test_ruby_may_require_its_library_late(tmp_path: Path, root: str) -> None:
    files = ("rubygems.rb", "json.rb", "json/ext.rb", "net/http/generic.rb", "bundler/cli.rb", "rdoc/parser.rb")
    compiled = f"/{root}/3.1.0/x86_64-linux/json/ext/parser.so"
    debian = "/usr/lib/x86_64-linux-gnu/ruby/3.1.0/date_core.so"
    plant(tmp_path, {compiled: "", debian: "", **{f"/{root}/3.1.0/{name}": "" for name in files}})
    kept = set(ask(tmp_path, [RubyLibrary()], [f"/{root}/3.1.0/rubygems.rb"]))
    wanted = {f"/{root}/3.1.0/{name}" for name in files[1:4]} | {compiled}
    assert kept == wanted | ({debian} if root == "usr/lib/ruby" else set())


def test_jruby_has_its_library_without_a_version(tmp_path: Path) -> None:
    library = "/opt/jruby/lib/ruby/stdlib"
    files = ("digest.rb", "digest/sha2.rb", "psych.jar", "jopenssl/load.rb", "bundler/cli.rb", "rdoc/parser.rb")
    plant(tmp_path, {f"{library}/{name}": "" for name in ("rubygems.rb", *files)})
    assert set(ask(tmp_path, [RubyLibrary()], [f"{library}/rubygems.rb"])) == {
        f"{library}/{name}" for name in files[:4]
    }


def test_libraries_are_kept_where_their_interpreter_ran(tmp_path: Path) -> None:
    php, perl = "/usr/lib/php/20220829/x.so", "/usr/share/perl/5.36.0/Late.pm"
    plant(tmp_path, {php: "", perl: "", "/usr/bin/perl": "", "/usr/sbin/php-fpm8.2": ""})
    assert set(ask(tmp_path, [PerlLibrary(), PhpLibrary()], ["/usr/bin/perl"])) == {perl}
    assert set(ask(tmp_path, [PerlLibrary(), PhpLibrary()], ["/usr/sbin/php-fpm8.2"])) == {php}
