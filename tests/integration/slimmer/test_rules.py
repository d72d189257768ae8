"""Programs run with nothing but what the rules keep for them: copied out of real images, and of this machine."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pytest
from cntr_slimmer.rules.builtin import RULES
from cntr_slimmer.rules.closure import chosen, close

from cntr_core.images import open_image
from cntr_core.images.tree.layers import open_layers
from cntr_core.rules import ImageView, Rule
from tests.unit.slimmer.rules.directory_view import DirectoryView
from tests.unit.slimmer.rules.trees import context

pytestmark = pytest.mark.requires("root", "unshare")

_PATH = {"PATH": "/usr/sbin:/usr/bin:/bin"}
Run = Callable[..., "subprocess.CompletedProcess[str]"]
_IN_ROOT = 'mount --bind /proc "$0/proc" && mount --bind /dev "$0/dev" && exec chroot "$0" "$@"'


def _copy(view: ImageView, paths: Iterable[bytes], root: Path) -> None:
    for path in sorted(paths):
        found = view.lookup(path, follow=False)
        if found is None:  # of this machine, where files come and go
            continue
        place = os.fsencode(root) + found.path
        os.makedirs(os.path.dirname(place), exist_ok=True)
        if stat.S_ISDIR(found.kind):
            os.makedirs(place, exist_ok=True)
        elif stat.S_ISLNK(found.kind):
            os.symlink(found.target, place)
        else:
            with open(place, "wb") as file:
                file.write(view.read(path))
            os.chmod(place, stat.S_IMODE(found.mode))


def _make_root(view: ImageView, root: Path, used: Sequence[str], rules: Sequence[Rule]) -> Run:
    """A root of `used` and what `rules` keep for it; the result runs a command in it."""
    trace = {}
    for path in used:
        found = view.lookup(os.fsencode(path))
        assert found, path
        trace |= dict.fromkeys((found.path, *found.links), frozenset({"open"}))
    _copy(view, {*trace, *close(context(view, trace, environment=_PATH), rules).kept}, root)
    root.chmod(0o755)
    for directory in ("proc", "dev", "tmp"):
        (root / directory).mkdir(exist_ok=True)

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        line = ["unshare", "--mount", "--propagation", "private", "sh", "-c", _IN_ROOT, os.fspath(root), *command]
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        return subprocess.run(line, env=environment, capture_output=True, text=True, timeout=60)

    return run


_NGINX_DIRECTORIES = ("var/log/nginx", "var/lib/nginx", "run")


def test_nginx_finds_all_that_its_settings_need(nginx_archive: str, tmp_path: Path) -> None:
    with open_image(nginx_archive) as image, open_layers(image) as layers:
        modules = [f"/usr/share/nginx/modules/{os.fsdecode(n)}" for n in layers.view.list(b"/usr/share/nginx/modules")]
        used = ["/usr/sbin/nginx", "/etc/nginx/nginx.conf", *modules]
        run = _make_root(layers.view, tmp_path, used, chosen(RULES))
        size = sum(found.size for found in DirectoryView(tmp_path).walk() if stat.S_ISREG(found.kind))
        original = sum(found.size for found in layers.view.walk() if stat.S_ISREG(found.kind))
    for directory in _NGINX_DIRECTORIES:  # the slim image has all directories
        (tmp_path / directory).mkdir(parents=True, exist_ok=True)
    result = run("nginx", "-t")
    assert result.returncode == 0, result.stderr
    assert "test is successful" in result.stderr
    assert size < original / 5


def test_without_its_rules_nginx_does_not_start(nginx_archive: str, tmp_path: Path) -> None:
    with open_image(nginx_archive) as image, open_layers(image) as layers:
        run = _make_root(layers.view, tmp_path, ["/usr/sbin/nginx"], chosen(RULES, without=["elf", "presets"]))
    assert run("nginx", "-t").returncode == 127


def test_su_finds_users_pam_and_the_shell(debian_archive: str, tmp_path: Path) -> None:
    with open_image(debian_archive) as image, open_layers(image) as layers:
        run = _make_root(layers.view, tmp_path, ["/usr/bin/su", "/usr/bin/sh", "/usr/bin/id"], chosen(RULES))
    result = run("su", "--shell", "/bin/sh", "www-data", "-c", "id -un")
    assert (result.stdout, result.returncode) == ("www-data\n", 0), result.stderr


def test_names_are_looked_up_as_nsswitch_conf_says(debian_archive: str, tmp_path: Path) -> None:
    with open_image(debian_archive) as image, open_layers(image) as layers:
        run = _make_root(layers.view, tmp_path, ["/usr/bin/getent"], chosen(RULES))
    assert run("getent", "passwd", "daemon").stdout.startswith("daemon:x:1:1:")
    assert run("getent", "group", "mail").stdout.startswith("mail:x:8:")


def test_a_script_runs(debian_archive: str, tmp_path: Path) -> None:
    with open_image(debian_archive) as image, open_layers(image) as layers:
        run = _make_root(layers.view, tmp_path, ["/usr/bin/ldd"], chosen(RULES))
    assert run("ldd", "--version").stdout.startswith("ldd (")


_PYTHON = "/usr/bin/python3"
_TRACED = """
import datetime, json, sys
print(json.dumps([module.__file__ for module in sys.modules.values() if hasattr(module, "__file__")]))
"""
_LATE = """
import datetime
print(datetime.datetime.strptime("2021-03-04", "%Y-%m-%d").day, "müller.example".encode("idna"), "ä".encode("cp1252"))
raise KeyError("the end")
"""


def test_python_does_later_what_it_did_not_do_in_the_trace(tmp_path: Path) -> None:
    """A date, two codecs and a traceback import modules that no trace of the start has."""
    modules = json.loads(
        subprocess.run([_PYTHON, "-IS", "-c", _TRACED], capture_output=True, timeout=60, check=True).stdout
    )
    run = _make_root(DirectoryView("/"), tmp_path, [_PYTHON, *modules], chosen(RULES))
    result = run(_PYTHON, "-IS", "-c", _LATE)
    assert result.stdout == "4 b'xn--mller-kva.example' b'\\xe4'\n", result.stderr
    assert result.stderr.endswith("KeyError: 'the end'\n")
