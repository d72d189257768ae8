"""Each form of a release attaches and slims on a machine with nothing but Python and a runtime."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.integration.releases.conftest import ROOT, build
from tests.support.clean_root import CleanRoot, prepared
from tests.support.images import DockerRun
from tests.support.shown import shown_in

PAGE = (ROOT / "docs/how-to/install.md").read_text()
PYTHONS = ("311", "312", "313", "314")
SUITES = {"bookworm": "3.11", "trixie": "3.13"}
"""Debian 12 and 13, with their Pythons. Others cannot be had from Debian's packages."""
pytestmark = [
    pytest.mark.requires(
        "root", "fuse", "docker", "docker-cli", "overlayfs", "runc", "nsenter", "mmdebstrap", "busybox", "gcc", "x86_64"
    ),
    pytest.mark.timeout(600),  # the first time on a machine, libraries are fetched and pyfuse3 is compiled
]


@pytest.fixture(scope="module", params=SUITES)
def suite(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def root(suite: str, tmp_path_factory: pytest.TempPathFactory, released: Path) -> Iterator[CleanRoot]:
    with CleanRoot(prepared(suite), tmp_path_factory.mktemp("root"), released) as made:
        assert made.run("python3", "--version").stdout.startswith(f"Python {SUITES[suite]}.")
        yield made


def _follow(root: CleanRoot, title: str) -> None:
    """Do what a part of the page on installing shows, as it stands there, beside the released files."""
    part = PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    assert list(shown_in(part))
    for shown in shown_in(part):
        result = root.run("sh", "-c", f"cd /root && ln -sf /mnt/* . && {{ {shown.command}; }} 2>&1")
        assert result.returncode == 0, f"{shown.command}: {result.stdout}"
        assert not shown.lacking(result.stdout), f"{shown.command} prints: {result.stdout}"


def _attaches(root: CleanRoot, container: str, *options: str, told: str = "") -> None:
    """The tools are of this root, the processes and the rest are of docker's container."""
    script = "command -v python3; cat /proc/1/comm; ls /var/lib/cntr/bin"
    attached = root.run("cntr", "attach", *options, f"docker://{container}", "--", "sh", "-c", script)
    assert (attached.returncode, attached.stderr) == (0, told)
    assert attached.stdout.split() == ["/usr/bin/python3", "busybox", "busybox"]


def test_the_file_works_with_python_alone(root: CleanRoot, docker_run: DockerRun) -> None:
    _follow(root, "One file")
    _attaches(root, docker_run("busybox"))
    _follow(root, "Try it")


def test_pyfuse3_serves_or_the_file_says_what_does(suite: str, root: CleanRoot, docker_run: DockerRun) -> None:
    """The file has it for Python 3.11. The suite's own is another version, which serves as well."""
    _follow(root, "One file")
    container = docker_run("busybox")
    lacking = "cntr: using the filesystem backend direct, for pyfuse3 lacks the package pyfuse3\n"
    _attaches(root, container, "--fs=pyfuse3", told="" if SUITES[suite] == "3.11" else lacking)
    assert root.run("sh", "-c", "dpkg --install /root/pyfuse3/*.deb").returncode == 0
    _attaches(root, container, "--fs=pyfuse3")
    root.run("rm", "/usr/local/bin/cntr")


def test_the_package_is_installed_and_goes_without_a_trace(root: CleanRoot, docker_run: DockerRun) -> None:
    _follow(root, "Debian package")
    _attaches(root, docker_run("busybox"))
    _follow(root, "Try it")
    for link in ("kubectl-cntr", "/usr/libexec/docker/cli-plugins/docker-cntr"):
        assert root.run(link, "--version").stdout == root.run("cntr", "--version").stdout
    files = root.run("dpkg", "--listfiles", "cntr").stdout.splitlines()
    assert {"/usr/share/man/man1/cntr-attach.1.gz", "/usr/share/bash-completion/completions/cntr"} <= set(files)
    differing = root.run("dpkg", "--verify", "cntr").stdout.splitlines()
    kept_out = re.compile("/usr/share/(doc|man)/")  # the image keeps no documentation
    assert [line for line in differing if not kept_out.search(line)] == []
    assert root.run("apt-get", "purge", "--yes", "cntr").returncode == 0
    left = root.run("find", "/usr", "/etc", "/opt", "/var/lib", "-name", "*cntr*", "-not", "-path", "*/cntr-oci*")
    assert left.stdout == ""


def test_the_file_works_where_libraries_lie_as_in_fedora(root: CleanRoot, docker_run: DockerRun) -> None:
    root.become_fedora()
    _follow(root, "One file")
    _attaches(root, docker_run("busybox"))
    _follow(root, "Try it")


def test_the_file_has_its_libraries_for_each_python(root: CleanRoot) -> None:
    tree = "/var/cache/cntr/pyz-*"
    found = root.run("sh", "-c", f"cd {tree} && find . -name '*.cpython-*.so' -not -path './pyfuse3/*'").stdout.split()
    names = {path.partition(".cpython-")[0] for path in found}
    assert len(names) >= 5
    assert sorted(found) == sorted(
        f"{name}.cpython-{python}-x86_64-linux-gnu.so" for name in names for python in PYTHONS
    )


def test_what_is_built_twice_is_the_same(released: Path, tmp_path: Path) -> None:
    again = build(tmp_path / "again")
    assert len(again) >= 2
    for name in again:
        assert (released / name).read_bytes() == (tmp_path / "again" / name).read_bytes(), name


def test_what_is_said_of_the_files_is_true(released: Path) -> None:
    checked = subprocess.run(["sha256sum", "--check", "SHA256SUMS"], cwd=released, capture_output=True, text=True)
    assert checked.returncode == 0 and "cntr-x86_64.pyz: OK" in checked.stdout
    bom = json.loads((released / "sbom.cdx.json").read_text())
    named = {component["name"].lower() for component in bom["components"]}
    assert {"rich", "pyfuse3", "cyclonedx-python-lib", "zstandard", "libseccomp.so.2"} <= named
    statement = json.loads((released / "provenance.json").read_text())
    for subject in statement["subject"]:
        assert subject["digest"]["sha256"] in (released / "SHA256SUMS").read_text()


def test_krew_gets_what_its_manifest_says(released: Path, tmp_path: Path) -> None:
    manifest = yaml.safe_load((released / "krew.yaml").read_text())
    (platform,) = manifest["spec"]["platforms"]
    archive = released / Path(platform["uri"]).name
    assert hashlib.sha256(archive.read_bytes()).hexdigest() == platform["sha256"]
    subprocess.run(["tar", "--extract", "--file", archive, "--directory", tmp_path], check=True)
    assert (tmp_path / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    env = {**os.environ, "CNTR_CACHE_DIR": str(tmp_path / "cache")}
    program = [tmp_path / platform["bin"], "--version"]
    version = subprocess.run(program, env=env, check=True, capture_output=True, text=True)
    assert f"v{version.stdout.split()[1]}" == manifest["spec"]["version"]
    assert "@" not in json.dumps(manifest)
