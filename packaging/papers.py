"""What is said of the released files: their checksums, what they carry (CycloneDX), how they came about (in-toto)."""

from __future__ import annotations

import glob
import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Sequence
from importlib.metadata import Distribution, distributions
from typing import Any

from cyclonedx.model import HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from wheels import ROOT, project


def write_papers(output: str, tree: str, wheels: Sequence[str]) -> None:
    """Write ``sbom.cdx.json`` and ``provenance.json`` to the directory `output`, and last ``SHA256SUMS`` of all files.

    `tree` is what the files carry, `wheels` what it was made of.
    """
    subjects = _digests(output)
    _write(output, "sbom.cdx.json", _components(tree))
    _write(output, "provenance.json", json.dumps(_provenance(subjects, wheels), indent=2, sort_keys=True))
    lines = [f"{digest}  {name}\n" for name, digest in _digests(output).items()]
    _write(output, "SHA256SUMS", "".join(lines))


def _components(tree: str) -> str:
    """The list without its serial number and time, which would differ each time."""
    bom = Bom()
    found = sorted(distributions(path=[tree]), key=lambda each: each.name.lower())
    own = _component(next(each for each in found if each.name == project()["name"]))
    others = [_component(each) for each in found if each.name != project()["name"]]
    bom.metadata.component = own
    bom.components.update([*others, *_libraries(tree)])
    bom.register_dependency(own, bom.components)
    made = json.loads(JsonV1Dot6(bom).output_as_string())
    del made["serialNumber"], made["metadata"]["timestamp"]
    return json.dumps(made, indent=2, sort_keys=True)


def _component(each: Distribution) -> Component:
    url = PackageURL("pypi", None, each.name.lower(), each.version)
    kind = ComponentType.APPLICATION if each.name == project()["name"] else ComponentType.LIBRARY
    return Component(name=each.name, version=each.version, type=kind, purl=url, bom_ref=url.to_string())


def _libraries(tree: str) -> list[Component]:
    """What was taken from the system that built: libfuse and libseccomp."""
    paths = sorted(glob.glob(os.path.join(tree, "*.libs", "*.so*")))
    names = [os.path.basename(path) for path in paths]
    return [
        Component(
            name=name,
            type=ComponentType.FILE,
            bom_ref=name,
            hashes=[HashType.from_hashlib_alg("sha256", _digest(path))],
        )
        for name, path in zip(names, paths, strict=True)
    ]


def _provenance(subjects: dict[str, str], wheels: Sequence[str]) -> dict[str, Any]:
    """A statement in the form of SLSA 1.0. It is not signed: whoever publishes signs it."""
    used = [{"name": os.path.basename(wheel), "digest": {"sha256": _digest(wheel)}} for wheel in wheels]
    source = {"name": "source", "digest": {"gitCommit": _commit()}}
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": name, "digest": {"sha256": digest}} for name, digest in subjects.items()],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": "packaging/build",
                "externalParameters": {"SOURCE_DATE_EPOCH": os.environ["SOURCE_DATE_EPOCH"]},
                "resolvedDependencies": [source, *used],
            },
            "runDetails": {"builder": {"id": f"Python {platform.python_version()} on {platform.machine()}"}},
        },
    }


def _commit() -> str:
    """Where the source is a checkout; with ``+changed`` where files differ from the commit."""
    line = ["git", "-C", ROOT, "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty=+changed"]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else "unknown"


def _digests(output: str) -> dict[str, str]:
    return {name: _digest(os.path.join(output, name)) for name in sorted(os.listdir(output))}


def _digest(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(output: str, name: str, text: str) -> None:
    with open(os.path.join(output, name), "w") as file:
        file.write(text)
