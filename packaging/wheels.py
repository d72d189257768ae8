"""The wheels that a release is made of: those that packaging/lock.txt names, pyfuse3's, and cntr's own."""

from __future__ import annotations

import glob
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LOCK = os.path.join(ROOT, "packaging", "lock.txt")
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
"""One tree serves them all: the names of modules in C differ by version."""
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
"""What Debian and Go call the machines that there are releases for."""
_COMPILED = "pyfuse3"
"""The one package without a wheel in the index. It is built by the Python that builds, for that version alone."""
EXTRAS = (_COMPILED, "sbom")
"""The optional parts that the released files have."""
_GLIBC = range(28, 16, -1)
_HEADER = """\
# What the released files carry, with the checksums of its wheels. Made by `packaging/build --lock`.
"""


def locked() -> dict[str, str]:
    """The lines of the lock by the names of their packages."""
    with open(LOCK) as file:
        lines = [line.strip() for line in file if line.strip() and not line.startswith("#")]
    return {line.partition("==")[0]: line for line in lines}


def wheels(cache: str, machine: str) -> list[str]:
    """The paths of all wheels for `machine`, without cntr's own; they are kept in the directory `cache`."""
    place = os.path.join(cache, f"wheels-{machine}-{platform.python_version()}-{_digest(LOCK)}")
    if not os.path.isdir(place):
        shutil.rmtree(f"{place}.partial", ignore_errors=True)
        os.makedirs(f"{place}.partial")
        lines = locked()
        compiled = lines.pop(_COMPILED)
        _download(lines.values(), machine, f"{place}.partial")
        if machine == platform.machine():
            _compile(compiled, f"{place}.partial")
        os.rename(f"{place}.partial", place)
    return sorted(glob.glob(os.path.join(place, "*.whl")))


def own_wheel(place: str) -> str:
    """cntr's wheel in the directory `place`, built from a copy, since setuptools leaves files where it builds."""
    with tempfile.TemporaryDirectory() as source:
        for name in ("cntr_core", "plugins", "slimmer", "packaging/man"):
            shutil.copytree(
                os.path.join(ROOT, name), os.path.join(source, name), ignore=shutil.ignore_patterns("__pycache__")
            )
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(os.path.join(ROOT, name), source)
        _pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", place, source)
    return next(glob.iglob(os.path.join(place, "*.whl")))


def write_lock(cache: str) -> None:
    """Resolve cntr's needs anew, and write the lock."""
    with tempfile.TemporaryDirectory(dir=cache) as place:
        report = os.path.join(place, "report.json")
        _pip("install", "--dry-run", "--ignore-installed", "--report", report, f"{ROOT}[{','.join(EXTRAS)}]")
        with open(report) as file:
            needed = [item["metadata"] for item in json.load(file)["install"]]
        pins = {_plain(item["name"]): item["version"] for item in needed}
        own = _plain(project()["name"])
        lines = [f"{name}=={version}" for name, version in sorted(pins.items()) if name != own]
        for machine in ARCHITECTURES:
            _download([line for line in lines if not line.startswith(_COMPILED)], machine, place)
        source = [line for line in lines if line.startswith(_COMPILED)]
        _pip("download", "--no-deps", "--no-binary", ":all:", "--no-build-isolation", "--dest", place, *source)
        with open(LOCK, "w") as file:
            file.write(_HEADER)
            file.writelines(f"{line} {' '.join(_hashes(line, place))}\n" for line in lines)


def project() -> dict[str, Any]:
    """What pyproject.toml says of cntr."""
    with open(os.path.join(ROOT, "pyproject.toml"), "rb") as file:
        return dict(tomllib.load(file)["project"])


def _hashes(line: str, place: str) -> Iterator[str]:
    name, _, version = line.partition("==")
    for path in sorted(os.listdir(place)):
        words = path.removesuffix(".tar.gz").split("-")
        if _plain(words[0]) == name and words[1] == version:
            yield f"--hash=sha256:{_digest(os.path.join(place, path), None)}"


def _download(lines: Iterable[str], machine: str, place: str) -> None:
    """Wheels for all :data:`PYTHONS`: those that differ by version are the ones with modules in C."""
    remaining = list(lines)
    for python in PYTHONS:
        _download_for(python, remaining, machine, place)
        remaining = [line for line in remaining if not _is_pure(line.partition("==")[0], place)]


def _download_for(python: str, lines: Sequence[str], machine: str, place: str) -> None:
    platforms = [f"manylinux_2_{minor}_{machine}" for minor in _GLIBC] + [f"manylinux2014_{machine}"]
    tag = "cp" + python.replace(".", "")
    options = ["--no-deps", "--only-binary", ":all:", "--dest", place, "--implementation", "cp"]
    options += ["--python-version", python, "--abi", tag, "--abi", "abi3", "--abi", "none"]
    for name in platforms:
        options += ["--platform", name]
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as requirements:
        requirements.write("\n".join(lines))
        requirements.flush()
        _pip("download", *options, "--requirement", requirements.name)


def _is_pure(name: str, place: str) -> bool:
    paths = [path for path in os.listdir(place) if _plain(path.split("-")[0]) == name]
    return any(path.endswith("-any.whl") or "-abi3-" in path for path in paths)


def _compile(line: str, place: str) -> None:
    """Build a wheel, and put the library that it needs, libfuse, into it (auditwheel(1) calls it repaired)."""
    with tempfile.TemporaryDirectory() as work, tempfile.NamedTemporaryFile("w", suffix=".txt") as requirements:
        requirements.write(line)
        requirements.flush()
        _pip(
            "wheel",
            "--no-cache-dir",
            "--no-deps",
            "--no-build-isolation",
            "--wheel-dir",
            work,
            "--requirement",
            requirements.name,
        )
        (made,) = glob.glob(os.path.join(work, "*.whl"))
        subprocess.run(["auditwheel", "repair", "--wheel-dir", place, made], check=True, stdout=sys.stderr)


def _pip(*arguments: str) -> None:
    line = [sys.executable, "-m", "pip", "-qq", "--disable-pip-version-check", *arguments]
    subprocess.run(line, check=True, stdout=sys.stderr)


def _plain(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")


def _digest(path: str, length: int | None = 12) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:length]
