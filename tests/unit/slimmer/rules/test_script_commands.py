"""What shell scripts name: the scanner on texts, the rules on small roots."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cntr_slimmer.rules.home_scripts import HomeScripts
from cntr_slimmer.rules.presets import Presets
from cntr_slimmer.rules.script_commands import ScriptCommands, ScriptInterpreters
from cntr_slimmer.rules.scripts import Shebang
from cntr_slimmer.rules.shell_commands import named
from cntr_slimmer.rules.shell_syntax import Budget, simple_commands
from cntr_slimmer.rules.started_programs import StartedPrograms

from tests.unit.slimmer.rules.trees import ask, plant

ENOUGH = 1 << 20


def words(script: str) -> list[list[str]]:
    return list(simple_commands(script, Budget(ENOUGH)))


@pytest.mark.parametrize(
    ("script", "commands"),
    [
        ("a b; c&&d||e|f & g", [["a", "b"], ["c"], ["d"], ["e"], ["f"], ["g"]]),
        ("# no\na # no; no\nb'#'yes", [["a"], ["b#yes"]]),
        ("if a; then b; elif ! c; then d; else e; fi", [["a"], ["b"], ["c"], ["d"], ["e"]]),
        ("while a; do b; done; { c; }; (d)", [["a"], ["b"], ["c"], ["d"]]),
        ("for i in x y; do a; done\nfor j\ndo b; done", [["a"], ["b"]]),
        ("case $x in y|z) a;; (w) b;; *) c; esac; d", [["a"], ["b"], ["c"], ["d"]]),
        ("case x in y) case z in w) a;; esac;; v) b;; esac", [["a"], ["b"]]),
        ("f() { a; }\nfunction g { b; }\ng=(c d)", [["a"], ["b"], ["c", "d"]]),
        ("a >b 2>&1 <c d; >e f", [["a", "2", "d"], ["f"]]),
        ("a <<E\nno; no\nE\nb <<-'E' | c\n\tno\n\tE\nd", [["a"], ["b"], ["c"], ["d"]]),
        ("a <<ONE <<TWO\nno\nONE\nno\nTWO\nb", [["a"], ["b"]]),
        ("a $(b $(c)) `d` \"$(e 'f)')\"", [["a", "\0", "\0", "\0"], ["e", "f)"], ["d"], ["b", "\0"], ["c"]]),
        ("a <(b) >(c)", [["a"], ["c"], ["b"]]),
        ('a \\\n b "x\\"y $z" \'q;r\'', [["a", "b", 'x"y $z', "q;r"]]),
        ('echo ${x:-y} ${z%"}"} ; a', [["echo", "${x:-y}", '${z%"}"}'], ["a"]]),
        ("x=1 y=$(a) b", [["x=1", "y=\0", "b"], ["a"]]),
        ("[[ a && b ]]", [["[[", "a"], ["b", "]]"]]),
        ('a "never closed; b', [["a", "never closed; b"]]),
        ("a $(never closed", [["a", "\0"], ["never", "close"]]),
        ("esac; ;; ) } done\na", [["a"]]),
    ],
)
def test_the_simple_commands_of_a_script(script: str, commands: list[list[str]]) -> None:
    assert words(script) == commands


@pytest.mark.parametrize(
    "script",
    [
        "$(" * 100_000,
        "`" * 100_001,
        '"$(' * 50_000 + ")" * 50_000,
        "<<a\n" * 60_000,
        "(" * 200_000,
        "case x in " * 20_000,
        "A=1 " * 60_000,
        "eval " * 60_000,
        "a=$a$a$a$a; " * 10_000 + "$a",
        "$(dirname " * 20_000,
        "sh -c '" * 30_000,
        "${" * 100_000,
        "${a=" * 60_000,
        "<<$a\n" * 60_000,
    ],
)
def test_a_hostile_script_is_read_to_its_limit(script: str) -> None:
    list(named(script, {}, Budget(ENOUGH)))  # hangs, or recurses too deep, where the limit does not hold


def programs(script: str, **environment: str) -> set[str]:
    return {one.word for one in named(script, environment, Budget(ENOUGH)) if one.kind == "program"}


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("exec env -i A=b nice -n 5 timeout -k 5 10s prog arg", {"env", "nice", "timeout", "prog"}),
        ("sudo -u postgres psql", {"sudo", "psql"}),
        ("gosu redis redis-server", {"gosu", "redis-server"}),
        ("set -- prog $@", {"prog"}),
        ("echo a | xargs -r -n 1 prog", {"xargs", "prog"}),
        ("find / -name x -exec prog {} +", {"find", "prog"}),
        ("sh -ec 'one | two'; eval \"three\"; trap 'four' EXIT", {"sh", "one", "two", "three", "four"}),
        ("su -s /bin/sh -c 'one two' user", {"su", "one"}),
        ("command -v one || which two; type three", {"one", "which", "two", "three"}),
        ("run='one x'; exec $run two", {"one"}),
        ('tool=one; [ a ] && tool=two; "$tool"', {"one", "two"}),
        ("${TOOL:-one}; : ${OTHER:=two}; $OTHER", {"one", "two"}),
        ("$GIVEN x", {"one"}),
        ("start-stop-daemon --start --exec one", {"start-stop-daemon", "one"}),
        ("echo one; printf two; cd three", set()),
    ],
)
def test_the_programs_of_commands(script: str, found: set[str]) -> None:
    assert programs(script, GIVEN="one") == found


ENTRY = """#!/bin/sh
PATH=/opt/tools:$PATH
. "$(dirname "$0")/lib.sh"
if [ "$1" = other ]; then
  sed s/a/b/ /usr/share/app/template > /etc/app.conf
  private | python3 -
  ./helper.sh
fi
exec "$@"
"""


def _image(root: Path) -> None:
    plant(
        root,
        {
            "entry/start.sh": ENTRY,
            "entry/lib.sh": "awk '{print}'\n",
            "entry/helper.sh": "#!/usr/bin/env bash\nsort | uniq\n",
            "usr/share/app/template": "a",
            "usr/share/app/large": "a" * (2 << 20),
            "usr/bin/uniq": "not executable",
            "usr/bin/mawk": "#!/bin/none",
            "usr/bin/awk": "->mawk",
            "opt/tools/private": "#!/bin/none",
        },
    )
    for name in ("bin/sh", "usr/bin/sed", "usr/bin/sort", "usr/bin/env", "usr/bin/bash", "usr/bin/python3.11"):
        plant(root, {name: "#!"})
    plant(root, {"usr/bin/python3": "->python3.11"})


def test_a_script_keeps_what_it_names_in_other_branches(tmp_path: Path) -> None:
    _image(tmp_path)
    kept = ask(tmp_path, [ScriptCommands()], ["/entry/start.sh"])
    assert set(kept) == {
        "/entry/lib.sh",
        "/entry/helper.sh",
        "/usr/bin/sed",
        "/usr/bin/sort",
        "/usr/bin/awk",
        "/usr/bin/mawk",
        "/usr/share/app/template",
        "/opt/tools/private",
    }
    assert kept["/usr/bin/sed"].because == "the script /entry/start.sh names it"
    assert kept["/usr/bin/sort"].because == "the script /entry/helper.sh names it"


def test_interpreters_that_a_script_names_are_for_the_careful(tmp_path: Path) -> None:
    _image(tmp_path)
    kept = ask(tmp_path, [ScriptCommands(), ScriptInterpreters()], ["/entry/start.sh"])
    assert kept["/usr/bin/python3"].rule == kept["/usr/bin/python3.11"].rule == "script-interpreters"


def test_scripts_that_were_not_opened_name_nothing(tmp_path: Path) -> None:
    _image(tmp_path)
    assert ask(tmp_path, [ScriptCommands()], {"/entry/start.sh": ["lookup"]}) == {}
    assert ask(tmp_path, [ScriptCommands()], ["/entry/lib.sh"]) == {}


def test_scripts_may_call_each_other(tmp_path: Path) -> None:
    plant(tmp_path, {"a": "#!/bin/sh\n/b\n", "b": "#!/bin/sh\n/a; /c\n", "c": "#!/bin/sh\n. /c\n"})
    assert set(ask(tmp_path, [ScriptCommands(), Shebang()], ["/a"])) == {"/b", "/c"}


# What settings have programs start


def _programs(root: Path, *names: str) -> None:
    plant(root, dict.fromkeys(names, "#!"))


def test_cron_keeps_what_its_tables_and_directories_name(tmp_path: Path) -> None:
    _programs(
        tmp_path, "usr/sbin/cron", "usr/bin/one", "usr/bin/two", "usr/bin/three", "usr/bin/no", "usr/bin/run-parts"
    )
    tables = {
        "etc/cron.d/job": "PATH=/usr/bin\n# no\n*/5 0-3 * * 1,2\troot one | two 'a b'\n@daily root three % no\n",
        "etc/cron.daily/clean": "#!/bin/sh\nfour\n",
    }
    plant(tmp_path, {**tables, "usr/bin/four": "#!", "usr/bin/root": "#!"})
    kept = ask(tmp_path, [StartedPrograms()], ["/usr/sbin/cron"])
    assert set(kept) == {f"/usr/bin/{name}" for name in ("one", "two", "three", "four", "run-parts")} | {
        "/etc/cron.daily/clean"
    }
    assert kept["/usr/bin/one"].because == "the table of jobs /etc/cron.d/job names it"


def test_those_who_log_in_have_a_shell(tmp_path: Path) -> None:
    _programs(tmp_path, "bin/zsh", "bin/sh", "usr/bin/su", "usr/sbin/sshd", "usr/lib/openssh/sftp-server")
    plant(
        tmp_path,
        {
            "etc/passwd": "root:x:0:0:root:/root:/bin/zsh\nx:x:1:1::/:\nbroken\n",
            "etc/ssh/sshd_config.d/x.conf": "Subsystem sftp /usr/lib/openssh/sftp-server -f AUTH\n",
        },
    )
    assert set(ask(tmp_path, [StartedPrograms()], ["/usr/bin/su"])) == {"/bin/zsh"}
    assert set(ask(tmp_path, [StartedPrograms()], ["/usr/sbin/sshd"])) == {"/bin/zsh", "/usr/lib/openssh/sftp-server"}


def test_supervised_services_and_health_checks(tmp_path: Path) -> None:
    _programs(tmp_path, "usr/bin/one", "usr/bin/two", "usr/bin/curl", "usr/bin/no")
    plant(
        tmp_path,
        {
            "etc/app.conf": "[program:a]\ncommand=/usr/bin/one -F\nautostart=false\n[program:b]\ncommand = two\n",
            "etc/other.conf": "[section]\ncommand=no\n",
            "etc/sv/a/run": "#!/bin/sh\n",
            "etc/sv/a/finish": "#!/bin/sh\n",
            "etc/sv/a/log/run": "#!/bin/sh\n",
        },
    )
    used = ["/etc/app.conf", "/etc/other.conf", "/etc/sv/a/run"]
    kept = ask(tmp_path, [StartedPrograms()], used, commands=((b"/bin/sh", b"-c", b"curl -f localhost || exit 1"),))
    services = {"/etc/sv/a/finish", "/etc/sv/a/log/run"}
    assert set(kept) == {"/usr/bin/one", "/usr/bin/two", "/usr/bin/curl"} | services


def test_logs_are_rotated_by_scripts_in_settings(tmp_path: Path) -> None:
    _programs(tmp_path, "usr/sbin/logrotate", "usr/bin/gzip", "usr/bin/one", "usr/bin/no")
    plant(
        tmp_path, {"etc/logrotate.d/app": "/var/log/x {\n  weekly\n  postrotate\n    one reload\n  endscript\n no\n}\n"}
    )
    assert set(ask(tmp_path, [StartedPrograms()], ["/usr/sbin/logrotate"])) == {"/usr/bin/gzip", "/usr/bin/one"}


def test_hostile_settings_are_read_to_their_limit(tmp_path: Path) -> None:
    """Quadratic work, were it done, would take hours."""
    users = "".join(f"u{number}:x:0:0::/:/bin/{number}\n" for number in range(50_000))
    plant(tmp_path, {"usr/bin/su": "#!", "usr/sbin/logrotate": "#!", "usr/sbin/cron": "#!", "etc/passwd": users})
    plant(
        tmp_path,
        {"etc/logrotate.conf": "\n" * (1 << 18), "etc/crontab": "* " * (1 << 20), "etc/a.conf": "command\n" * 30_000},
    )
    used = ["/usr/bin/su", "/usr/sbin/logrotate", "/usr/sbin/cron", "/etc/a.conf"]
    assert ask(tmp_path, [StartedPrograms()], used) == {}


def test_names_of_any_bytes(tmp_path: Path) -> None:
    plant(tmp_path, {"a": b"#!/bin/sh\n/opt/\xff\xfe x\n", os.fsdecode(b"opt/\xff\xfe"): "#!"})
    assert set(ask(tmp_path, [ScriptCommands(), Presets()], ["/a"])) == {os.fsdecode(b"/opt/\xff\xfe")}


def test_the_files_that_a_name_may_mean_which_a_script_puts_together(tmp_path: Path) -> None:
    script = """#!/bin/sh
        [ -z "$DESIGN" ] || cat "/srv/designs/$DESIGN.css" >/tmp/design
        cp /srv/conf/*.ini "/srv/$any" "/etc/$NAME.conf" "/srv/many/${X}.txt" /srv/$d/x.css
    """
    wanted = ("srv/designs/grey.css", "srv/designs/red.css", "srv/conf/a.ini")
    others = ("srv/designs/x.png", "srv/other.css", "etc/a.conf", *(f"srv/many/{n}.txt" for n in range(65)))
    large = {"srv/designs/large.css": " " * (1 << 17)}
    plant(tmp_path, {"entry.sh": script, "bin/sh": "#", **dict.fromkeys((*wanted, *others), ""), **large})
    kept = ask(tmp_path, [ScriptCommands()], ["/entry.sh"])
    assert set(kept) == {f"/{path}" for path in wanted}
    assert kept["/srv/designs/grey.css"].because == "the script /entry.sh names it"


def test_the_scripts_of_an_application_beside_itself(tmp_path: Path) -> None:
    client = '#!/usr/bin/env bash\nHERE="$(dirname "$0")"\n. "$HERE"/env.sh\nexec java Client'
    own = {"usr/share/db/bin/cli.sh": client, "usr/share/db/bin/env.sh": "->../../../../etc/db/env"}
    others = {"usr/share/db/bin/tool": "#!/usr/bin/python3", "usr/share/other/bin/x.sh": client, "usr/bin/y.sh": client}
    tools = {"etc/db/env": "A=b", "usr/bin/dirname": "#!", "usr/bin/java": "#!"}
    plant(tmp_path, {**own, **others, **tools, "usr/share/db/lib/db.jar": ""})
    kept = ask(tmp_path, [HomeScripts()], ["/usr/share/db", "/usr", "/usr/share", "/usr/share/db/lib/db.jar"])
    assert set(kept) == {*map("/{}".format, own), "/etc/db/env", "/usr/bin/dirname"}
    assert kept["/usr/share/db/bin/cli.sh"].because == "a script of the software in /usr/share/db, which was used"
