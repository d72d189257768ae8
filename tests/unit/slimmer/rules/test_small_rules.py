"""Each smaller rule, on small roots: what it keeps, and what it leaves."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from cntr_slimmer.rules.certificates import Certificates
from cntr_slimmer.rules.databases import PackageDatabases
from cntr_slimmer.rules.directories import MOST_BYTES, MOST_ENTRIES, SmallDirectories
from cntr_slimmer.rules.libc import Libc
from cntr_slimmer.rules.named_modules import NamedModules
from cntr_slimmer.rules.programs import PackagePrograms, ProgramLinks
from cntr_slimmer.rules.scripts import Shebang
from cntr_slimmer.rules.shell_tools import ShellTools
from cntr_slimmer.rules.timezones import Timezones
from cntr_slimmer.rules.users import Users
from cntr_slimmer.rules.volumes import Volumes

from tests.unit.slimmer.rules.trees import ask, plant

# Shebang


@pytest.mark.parametrize(
    ("line", "interpreters"),
    [
        ("#!/bin/sh\n", {"/bin/sh"}),
        ("#! /bin/sh -e\n", {"/bin/sh"}),
        ("#!/bin/sh", {"/bin/sh"}),
        ("#!/usr/bin/env tool\n", {"/usr/bin/env", "/opt/bin/tool"}),
        ("#!/usr/bin/env -S -i A=b tool --x\n", {"/usr/bin/env", "/opt/bin/tool"}),
        ("#!/usr/bin/env -Stool --x\n", {"/usr/bin/env", "/opt/bin/tool"}),
        ("#!/usr/bin/env -u HOME tool\n", {"/usr/bin/env", "/opt/bin/tool"}),
        ("#!/usr/bin/env none\n", {"/usr/bin/env"}),
        ("#!\n", set()),
        ("#!" + "x" * 300 + "\n/bin/sh", set()),
    ],
)
def test_a_script_needs_its_interpreter(tmp_path: Path, line: str, interpreters: set[str]) -> None:
    programs = {"bin/sh": "#", "usr/bin/env": "#", "opt/bin/tool": "#!/bin/none", "usr/bin/tool": "no program"}
    plant(tmp_path, {"script": line, **programs})
    assert set(ask(tmp_path, [Shebang()], ["/script"], {"PATH": "/none:/usr/bin:/opt/bin"})) == interpreters


def test_an_interpreter_that_is_a_script_has_one_itself(tmp_path: Path) -> None:
    plant(tmp_path, {"script": "#!/one\n", "one": "#!/two\n", "two": "#!/script\n"})
    assert set(ask(tmp_path, [Shebang()], ["/script"])) == {"/one", "/two"}


def test_a_file_that_is_not_executable_runs_nothing(tmp_path: Path) -> None:
    plant(tmp_path, {"script": "#!/bin/sh\n", "bin/sh": ""})
    (tmp_path / "script").chmod(0o644)
    assert ask(tmp_path, [Shebang()], ["/script"]) == {}


# Time zones

ZONES = {
    "usr/share/zoneinfo/Etc/UTC": "",
    "usr/share/zoneinfo/Europe/Paris": "",
    "usr/share/zoneinfo/Europe/Monaco": "->Paris",
    "usr/share/zoneinfo-icu": "",
    "usr/share/zoneinfo/right/Europe/Paris": "",
    "etc/localtime": "->/usr/share/zoneinfo/Etc/UTC",
    "etc/timezone": "UTC\n",
}


def test_time_zones_are_kept_whole_or_not_at_all(tmp_path: Path) -> None:
    plant(tmp_path, {**ZONES, "program": ""})
    whole = {f"/{path}" for path in ZONES} - {"/usr/share/zoneinfo-icu", "/usr/share/zoneinfo/right/Europe/Paris"}
    assert set(ask(tmp_path, [Timezones()], ["/program", "/usr/share/zoneinfo-icu"])) == set()
    paris = "/usr/share/zoneinfo/Europe/Paris"
    assert set(ask(tmp_path, [Timezones()], [paris])) | {paris} == whole
    # Who asks for the time may be told another zone by TZ.
    for local in ("/etc/localtime", "/usr/share/zoneinfo/Etc/UTC"):
        assert set(ask(tmp_path, [Timezones()], [local])) | {local} == whole
    assert set(ask(tmp_path, [Timezones()], ["/usr/share/zoneinfo/Etc"])) == set()
    assert set(ask(tmp_path, [Timezones()], ["/program"], {"TZ": "Europe/Paris"})) == whole


# Certificates

TRUST = {
    "etc/ssl/certs/ca-certificates.crt": "",
    "etc/ssl/openssl.cnf": "",
    "usr/lib/ssl/cert.pem": "->/etc/ssl/cert.pem",
}
HASHES = {
    "etc/ssl/certs/12ab34cd.0": "->A.pem",
    "etc/ssl/certs/A.pem": "->/usr/share/ca/A.crt",
    "usr/share/ca/A.crt": "",
}


@pytest.mark.parametrize("library", ["libssl.so.3", "libgnutls.so.30.34.3", "libnss3.so", "libmbedtls.so.14"])
def test_tls_needs_authorities(tmp_path: Path, library: str) -> None:
    plant(tmp_path, {**TRUST, **HASHES, f"usr/lib/{library}": "", "usr/lib/libz.so.1": ""})
    assert ask(tmp_path, [Certificates()], ["/usr/lib/libz.so.1"]) == {}
    kept = ask(tmp_path, [Certificates()], [f"/usr/lib/{library}"])
    assert set(kept) == {f"/{path}" for path in TRUST}
    assert kept["/etc/ssl/openssl.cnf"].because == f"whom /usr/lib/{library} trusts"


def test_a_go_program_trusts_without_a_library(tmp_path: Path) -> None:
    note = b"\4\0\0\0\x53\0\0\0\4\0\0\0Go\0\0some-build-id"
    plant(tmp_path, {**TRUST, "go": b"\x7fELF" + bytes(500) + note, "c": b"\x7fELF" + bytes(500)})
    for name in ("go", "c"):
        (tmp_path / name).chmod(0o755)
    assert set(ask(tmp_path, [Certificates()], ["/go"])) == {f"/{path}" for path in TRUST}
    plant(tmp_path, {"usr/share/zoneinfo/Europe/Paris": ""})
    assert set(ask(tmp_path, [Timezones()], ["/go"])) == {"/usr/share/zoneinfo/Europe/Paris"}
    assert ask(tmp_path, [Certificates()], ["/c"]) == {}


def test_java_has_a_bundle_of_its_own(tmp_path: Path) -> None:
    plant(tmp_path, {**TRUST, "etc/ssl/certs/java/cacerts": "", "opt/jdk/lib/server/libjvm.so": ""})
    assert set(ask(tmp_path, [Certificates()], ["/opt/jdk/lib/server/libjvm.so"])) == {"/etc/ssl/certs/java/cacerts"}


def test_hashed_certificates_are_kept_where_they_were_looked_up(tmp_path: Path) -> None:
    plant(tmp_path, {**HASHES, "program": ""})
    hashed = {f"/{path}" for path in HASHES}
    assert ask(tmp_path, [Certificates()], ["/program"], absent=["/etc/ssl/certs/mine.pem"]) == {}
    assert set(ask(tmp_path, [Certificates()], ["/program"], absent=["/etc/ssl/certs/00000000.0"])) == hashed
    assert set(ask(tmp_path, [Certificates()], {"/etc/ssl/certs": ["readdir"]})) == hashed


# The C library


def test_tables_of_hosts_are_kept_without_a_libc_too(tmp_path: Path) -> None:
    plant(tmp_path, {"etc/hosts": "", "etc/services": "", "etc/shadow": "", "program": ""})
    assert set(ask(tmp_path, [Libc()], ["/program"])) == {"/etc/hosts", "/etc/services"}


def _libc(root: Path, *names: str) -> None:
    """Something that is a library of this machine's kind."""
    for name in names:
        place = root / "usr/lib" / name
        os.makedirs(place.parent, exist_ok=True)
        shutil.copy("/bin/true", place)


def test_glibc_needs_what_it_loads_by_name(tmp_path: Path) -> None:
    names = ("files", "dns", "ldap", "myhostname", "db")
    _libc(tmp_path, "libc.so.6", "libgcc_s.so.1", *(f"libnss_{name}.so.2" for name in names))
    plant(tmp_path, {"etc/nsswitch.conf": "# passwd: db\npasswd: files ldap\nhosts: files [NOTFOUND=return] dns\n\n"})
    kept = ask(tmp_path, [Libc()], ["/usr/lib/libc.so.6"])
    loaded = {f"/usr/lib/libnss_{name}.so.2" for name in ("files", "dns", "ldap")}
    assert set(kept) == {"/etc/nsswitch.conf", "/usr/lib/libgcc_s.so.1", *loaded}
    assert "'ldap'" in kept["/usr/lib/libnss_ldap.so.2"].because


def test_without_nsswitch_conf_glibc_takes_files_and_dns(tmp_path: Path) -> None:
    _libc(tmp_path, "libc.so.6", "libnss_files.so.2", "libnss_dns.so.2", "libnss_db.so.2")
    kept = set(ask(tmp_path, [Libc()], ["/usr/lib/libc.so.6"]))
    assert kept == {"/usr/lib/libnss_files.so.2", "/usr/lib/libnss_dns.so.2"}


def test_a_character_set_is_found_by_the_list_of_all(tmp_path: Path) -> None:
    gconv = {"gconv-modules", "gconv-modules.cache", "gconv-modules.d/extra.conf"}
    plant(tmp_path, dict.fromkeys((f"usr/lib/gconv/{name}" for name in (*gconv, "EUC-JP.so", "BIG5.so")), ""))
    assert set(ask(tmp_path, [Libc()], ["/usr/lib/gconv/EUC-JP.so"])) == {f"/usr/lib/gconv/{name}" for name in gconv}
    assert ask(tmp_path, [Libc()], ["/etc/hosts"]) == {}


LOCALES = dict.fromkeys((f"usr/lib/locale/{name}/LC_CTYPE" for name in ("C.utf8", "de_DE.utf8", "fr_FR")), "")


@pytest.mark.parametrize(
    ("environment", "kept"),
    [
        ({}, set()),
        ({"LANG": "C"}, set()),
        ({"LANG": "C.UTF-8"}, {"C.utf8"}),
        ({"LANG": "de_DE.UTF-8"}, {"C.utf8", "de_DE.utf8"}),
        ({"LC_ALL": "fr_FR.ISO-8859-1@euro", "LANG": "de_DE.UTF-8"}, {"C.utf8", "fr_FR"}),
        ({"LC_ALL": "", "LC_CTYPE": "de_DE.utf8"}, {"C.utf8", "de_DE.utf8"}),
    ],
)
def test_the_locale_of_the_environment_is_kept(tmp_path: Path, environment: dict[str, str], kept: set[str]) -> None:
    plant(tmp_path, {**LOCALES, "program": ""})
    found = ask(tmp_path, [Libc()], ["/program"], environment)
    assert set(found) == {f"/usr/lib/locale/{name}/LC_CTYPE" for name in kept}


def test_a_locale_without_a_directory_is_in_the_archive(tmp_path: Path) -> None:
    plant(tmp_path, {**LOCALES, "usr/lib/locale/locale-archive": ""})
    assert "/usr/lib/locale/locale-archive" in ask(tmp_path, [Libc()], [], {"LANG": "pl_PL.UTF-8"})
    assert "/usr/lib/locale/locale-archive" not in ask(tmp_path, [Libc()], [], {"LANG": "de_DE.UTF-8"})


def test_programs_that_looked_for_a_locale_find_the_plain_one(tmp_path: Path) -> None:
    plant(tmp_path, LOCALES)
    assert set(ask(tmp_path, [Libc()], [], {}, ["/usr/lib/locale/locale-archive"])) == {
        "/usr/lib/locale/C.utf8/LC_CTYPE"
    }


# Users


def test_users_and_groups_have_names_in_every_image(tmp_path: Path) -> None:
    plant(tmp_path, {"etc/passwd": "", "etc/group": "", "etc/shadow": "", "etc/pam.d/su": "", "program": ""})
    assert set(ask(tmp_path, [Users()], ["/program"])) == {"/etc/passwd", "/etc/group"}


def test_pam_needs_its_settings_and_the_modules_that_they_name(tmp_path: Path) -> None:
    modules = ("pam_unix.so", "pam_deny.so", "pam_env.so", "pam_unused.so")
    settings = {
        "etc/pam.d/su": "# auth required pam_unused.so\nauth [success=1 default=ignore]\tpam_unix.so nullok\n",
        "etc/pam.d/other": "auth requisite pam_deny.so\n-session optional /usr/lib/x/security/pam_env.so readenv=1\n",
        "etc/security/limits.conf": "",
        "etc/security/limits.d/a.conf": "",
        "etc/login.defs": "",
        "etc/shadow": "",
    }
    plant(tmp_path, {**settings, **{f"usr/lib/x/security/{name}": "" for name in modules}, "lib": "->usr/lib"})
    plant(tmp_path, {"usr/lib/x/libpam.so.0": "->libpam.so.0.85.1", "usr/lib/x/libpam.so.0.85.1": ""})
    kept = set(ask(tmp_path, [Users()], ["/usr/lib/x/libpam.so.0.85.1"]))
    assert kept - {"/lib"} == {
        *(f"/{path}" for path in settings),
        *(f"/usr/lib/x/security/{name}" for name in modules if name != "pam_unused.so"),
    }


# Databases and directories


def test_scanners_find_the_packages(tmp_path: Path) -> None:
    kept = {
        "var/lib/dpkg/status": "",
        "var/lib/dpkg/status.d/base": "",
        "lib/apk/db/installed": "",
        "var/lib/rpm/rpmdb.sqlite": "",
        "etc/os-release": "->../usr/lib/os-release",
        "usr/lib/os-release": "",
        "etc/debian_version": "",
        "etc/alpine-release": "",
    }
    plant(tmp_path, {**kept, "var/lib/dpkg/info/bash.list": "", "var/lib/apt/lists/x": ""})
    assert set(ask(tmp_path, [PackageDatabases()], [])) == {f"/{path}" for path in kept}


def test_dpkgs_lists_stay_of_packages_that_keep_a_file(tmp_path: Path) -> None:
    paragraph = "Package: {0}\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n"
    status = "\n".join(map(paragraph.format, ("bash", "libc6", "gone")))
    lists = {
        "var/lib/dpkg/info/bash.list": "/bin/bash\n",
        "var/lib/dpkg/info/bash.md5sums": "",
        "var/lib/dpkg/info/libc6:amd64.list": "/lib/libc.so.6\n",
        "var/lib/dpkg/info/libc6:amd64.md5sums": "",
    }
    others = {"var/lib/dpkg/info/gone.list": "/bin/gone\n", "var/lib/dpkg/info/bash.postinst": "", "bin/gone": ""}
    files = {"var/lib/dpkg/status": status, "usr/bin/bash": "", "bin": "->usr/bin", "lib/libc.so.6": ""}
    plant(tmp_path, {**files, **lists, **others})
    kept = ask(tmp_path, [PackageDatabases()], ["/usr/bin/bash", "/lib/libc.so.6"])
    assert set(kept) == {"/var/lib/dpkg/status", *(f"/{path}" for path in lists)}


def _listed(root: Path) -> set[str]:
    return set(ask(root, [SmallDirectories()], {"/plugins": ["lookup", "readdir"], "/other": ["lookup"]}))


def test_what_is_in_a_listed_directory_is_kept(tmp_path: Path) -> None:
    plant(tmp_path, {"plugins/a": "", "plugins/b": "->../c", "c": "", "plugins/d/e": "", "other/f": ""})
    assert _listed(tmp_path) == {"/plugins/a", "/plugins/b", "/c"}


@pytest.mark.parametrize(("entries", "kept"), [(MOST_ENTRIES, True), (MOST_ENTRIES + 1, False)])
def test_many_entries_are_no_plugins(tmp_path: Path, entries: int, kept: bool) -> None:
    plant(tmp_path, {f"plugins/{number}": "" for number in range(entries)})
    assert bool(_listed(tmp_path)) == kept


@pytest.mark.parametrize(("size", "kept"), [(MOST_BYTES, True), (MOST_BYTES + 1, False)])
def test_large_files_are_no_plugins_behind_links_either(tmp_path: Path, size: int, kept: bool) -> None:
    plant(tmp_path, {"plugins/link": "->../large", "large": bytes(size)})
    assert bool(_listed(tmp_path)) == kept


# Volumes


def test_new_volumes_begin_with_what_the_image_has_there(tmp_path: Path) -> None:
    plant(tmp_path, {"/v/f": "", "/v/d/g": "", "/v/l": "->f", "/w/h": "", "/link": "->w", "/vx": ""})
    assert set(ask(tmp_path, [Volumes()], [], volumes=(b"/v", b"/link", b"/absent"))) == {
        "/v/f",
        "/v/d/g",
        "/v/l",
        "/w/h",
    }
    assert ask(tmp_path, [Volumes()], []) == {}


# Programs of shells


def test_links_to_kept_programs_cost_nothing(tmp_path: Path) -> None:
    plant(
        tmp_path,
        {"bin": "->usr/bin", "usr/bin/busybox": "#!", "usr/bin/vim": "#!", "etc/alternatives/vi": "->/usr/bin/vim"},
    )
    plant(tmp_path, {"usr/bin/ls": "->busybox", "usr/bin/vi": "->/etc/alternatives/vi", "opt/x": "->/usr/bin/busybox"})
    assert set(ask(tmp_path, [ProgramLinks()], ["/usr/bin/busybox"])) == {"/usr/bin/ls"}
    assert set(ask(tmp_path, [ProgramLinks()], ["/usr/bin/vim"], {"PATH": "/usr/bin"})) == {
        "/usr/bin/vi",
        "/etc/alternatives/vi",
    }


@pytest.mark.parametrize(
    ("commands", "people"),
    [
        (["bash"], True),
        (["/entry.sh /bin/sh -l"], True),
        (["bash", "sleep infinity"], True),
        (["sleep infinity"], False),
        (["sh -c tac"], False),
        (["/bin/sh /entry.sh", ""], False),
        ([], False),
    ],
)
def test_users_of_a_shell_run_small_programs(tmp_path: Path, commands: list[str], people: bool) -> None:
    plant(
        tmp_path,
        dict.fromkeys(("bin/sh", "usr/bin/cat", "usr/bin/tac", "usr/bin/curl"), "#!")
        | {"usr/bin/rm": "", "usr/bin/wc": "#!", "usr/bin/su": "#!", "usr/lib/locale/de_DE/x": ""}
        | dict.fromkeys(OF_SHELLS, ""),
    )
    for program in ("wc", "su"):
        (tmp_path / "usr/bin" / program).chmod(0o4755)
    words = tuple(tuple(map(os.fsencode, command.split())) for command in commands)
    kept = set(ask(tmp_path, [ShellTools()], ["/bin/sh"], commands=words))
    of_people = {"/usr/bin/tac", "/usr/bin/su", *(f"/{path}" for path in OF_SHELLS)}
    assert kept == {"/usr/bin/cat", *(of_people if people else ())}
    assert ask(tmp_path, [ShellTools()], {"/bin/sh": ["lookup"]}, commands=words) == {}


OF_SHELLS = (
    "etc/profile",
    "etc/profile.d/a.sh",
    "root/.bashrc",
    "lib/terminfo/v/vt100",
    "usr/share/terminfo/x/xterm-256color",
    "usr/lib/locale/C.utf8/LC_CTYPE",
)


def test_the_command_s_package_has_programs_to_control_it(tmp_path: Path) -> None:
    files = ["usr/sbin/serverd", "usr/sbin/serverctl", "usr/bin/pyctl", "usr/bin/large", "usr/share/server/x"]
    status = "".join(
        f"Package: {name}\nStatus: install ok installed\nVersion: 1\n{source}\n"
        for name, source in (("server", ""), ("client", "Source: server (1)\n"), ("other", ""))
    )
    plant(
        tmp_path,
        {
            **dict.fromkeys((*files, "usr/bin/other", "usr/bin/client"), "#!/bin/sh"),
            "usr/bin/pyctl": "#!/usr/bin/env python3\n",
            "usr/bin/large": "#!/bin/sh" + " " * (9 << 20),
            "usr/sbin/daemon": "->serverd",
            "bin/sh": "#!",
            "var/lib/dpkg/status": status,
            "var/lib/dpkg/info/server.list": "\n".join(f"/{file}" for file in files),
            "var/lib/dpkg/info/other.list": "/usr/bin/other\n",
            "var/lib/dpkg/info/client.list": "/usr/bin/client\n",
        },
    )
    kept = ask(tmp_path, [PackagePrograms()], ["/usr/sbin/serverd", "/bin/sh"], commands=((b"sh", b"daemon", b"-x"),))
    assert set(kept) == {"/usr/sbin/serverctl", "/usr/bin/client"}
    because = "a program of the package client, which has the image's command, or is made with it"
    assert kept["/usr/bin/client"].because == because


def test_a_program_that_the_used_machine_runs(tmp_path: Path) -> None:
    """As rabbitmqctl, large and with three names, which Erlang's escript runs."""
    status = "".join(f"Package: {name}\nStatus: install ok installed\n\n" for name in ("server", "machine", "other"))
    own = ("usr/bin/serverd", "usr/lib/server/escript/ctl", "usr/lib/server/bin/a", "usr/lib/server/bin/b", "usr/bin/o")
    plant(
        tmp_path,
        {
            own[0]: "#!/bin/sh\n",
            own[1]: "#!/usr/bin/env runs\n" + " " * (1 << 20),
            own[2]: "->../escript/ctl",
            own[3]: "->../escript/ctl",
            own[4]: "#!/usr/bin/other\n",
            "usr/lib/machine/bin/runs": "#!",
            "usr/bin/runs": "->../lib/machine/bin/runs",
            "usr/lib/machine/beam": "",
            "usr/bin/other": "#!",
            "bin/sh": "#!",
            "var/lib/dpkg/status": status,
            "var/lib/dpkg/info/server.list": "\n".join(f"/{file}" for file in own),
            "var/lib/dpkg/info/machine.list": "/usr/lib/machine/beam\n/usr/lib/machine/bin/runs\n/usr/bin/runs\n",
            "var/lib/dpkg/info/other.list": "/usr/bin/other\n",
        },
    )
    used = ["/usr/bin/serverd", "/bin/sh", "/usr/lib/machine/beam"]
    assert set(ask(tmp_path, [PackagePrograms()], used, commands=((b"serverd",),))) == {f"/{path}" for path in own[1:4]}


def test_settings_name_modules(tmp_path: Path) -> None:
    modules = [f"usr/lib/apache2/modules/mod_{name}.so" for name in ("a", "b", "c", "d")]
    plant(
        tmp_path,
        {
            **dict.fromkeys(modules, ""),
            "usr/lib/odbc/driver.so.2": "",
            "etc/apache2/apache2.conf": "<IfDefine B>\nLoadModule b modules/mod_b.so\n# LoadModule modules/mod_c.so\n",
            "etc/odbcinst.ini": "Driver=/usr/lib/odbc/driver.so.2\nSetup = /absent.so\n",
            "etc/other.conf": "mod_d.so",
        },
    )
    opened = ("/usr/lib/apache2/modules/mod_a.so", "/etc/apache2/apache2.conf", "/etc/odbcinst.ini")
    kept = ask(tmp_path, [NamedModules()], {**{path: ["open"] for path in opened}, "/etc/other.conf": ["lookup"]})
    assert set(kept) == {"/usr/lib/apache2/modules/mod_b.so", "/usr/lib/odbc/driver.so.2"}


def test_the_loaders_cache_is_no_settings(tmp_path: Path) -> None:
    plant(
        tmp_path,
        {"/etc/ld.so.cache": "glibc-ld.so.cache1.1\0libother.so.1\0/lib/libother.so.1\0", "/lib/libother.so.1": ""},
    )
    assert not ask(tmp_path, [NamedModules()], {"/etc/ld.so.cache": ["open", "read"]})
